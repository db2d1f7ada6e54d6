from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dressform import backbones
from dressform.backbones.schedule import Diffusion, Flow, min_snr_weight
from dressform.dress.sampler import MOST_STEPS
from dressform.errors import BadInput
from tests.tiny_sdxl import SCHEDULER

CPU = torch.device("cpu")


def test_min_snr_weights_are_those_of_the_paper() -> None:
    snr = torch.tensor([0.0, 0.5, 5.0, 20.0])
    torch.testing.assert_close(min_snr_weight(snr, 5.0, "epsilon"), torch.tensor([1.0, 1.0, 1.0, 0.25]))
    torch.testing.assert_close(min_snr_weight(snr, 5.0, "v_prediction"), torch.tensor([0.0, 0.5 / 1.5, 5 / 6, 5 / 21]))


def test_weighed_noise_and_weighed_v_are_the_same_loss_on_the_latents() -> None:
    """Both forms weigh the error of x_0 with min(SNR, gamma), so an error of x_0 costs the same in either."""
    noise, v = (Diffusion({**SCHEDULER, "prediction_type": p}, CPU) for p in ("epsilon", "v_prediction"))
    t = torch.tensor([10, 400, 900])
    latents, noises, error = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    a, s = noise._coefficients(t)
    noisy, wrong = a * latents + s * noises, latents + error
    in_noise = (noisy - a * wrong) / s - noises
    in_v = (a * (noisy - a * wrong) / s - s * wrong) - v.target(latents, noises, t)
    costs = [(w[:, None, None, None] * e**2).mean((1, 2, 3)) for w, e in ((noise.loss_weight(t, 5), in_noise), (v.loss_weight(t, 5), in_v))]
    torch.testing.assert_close(costs[0], costs[1], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(costs[0], noise.snr(t).clamp_max(5) * error.square().mean((1, 2, 3)), rtol=1e-3, atol=1e-5)


def test_a_scheduler_of_another_class_gives_the_same_betas_and_no_clipping() -> None:
    from diffusers import EulerDiscreteScheduler

    ours = Diffusion(EulerDiscreteScheduler(**SCHEDULER).config, CPU)
    torch.testing.assert_close(ours.alpha_bar, EulerDiscreteScheduler(**SCHEDULER).alphas_cumprod)
    assert not ours.scheduler.config["clip_sample"]


@pytest.mark.parametrize("spacing", ["trailing", "leading", "linspace"])
def test_every_number_of_steps_asks_for_as_many_predictions_and_never_before_the_first_time(spacing: str) -> None:
    schedule = Diffusion({"timestep_spacing": spacing}, CPU)
    for steps in range(1, MOST_STEPS + 1):
        times: list[int] = []

        def guided(x: torch.Tensor, t: torch.Tensor, times: list[int] = times) -> torch.Tensor:
            times.append(int(t[0]))
            return torch.zeros_like(x)

        schedule.sample(torch.zeros(1, 1, 1, 1), guided, steps)
        assert len(times) == steps and min(times) >= 0 and times == sorted(times, reverse=True), (steps, times[-2:])


def test_zero_terminal_snr_begins_at_pure_noise() -> None:
    ours = Diffusion({**SCHEDULER, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}, CPU)
    last = torch.tensor([999])
    assert ours.snr(last).item() == 0
    noise = torch.randn(1, 4, 8, 8)
    assert torch.equal(ours.add_noise(torch.randn(1, 4, 8, 8), noise, last), noise)
    asked: list[int] = []

    def guided(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        asked.append(int(t[0]))
        return torch.zeros_like(x)

    assert ours.sample(noise, guided, 10).isfinite().all() and asked[0] == 999
    assert Diffusion({**SCHEDULER, "prediction_type": "v_prediction"}, CPU).snr(last).item() > 0


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"prediction_type": "sample"}, "'sample'"),
        ({"num_train_timesteps": 50}, "50 times"),
        ({"prediction_type": "epsilon", "rescale_betas_zero_snr": True}, "needs v"),
        ({"_class_name": "EDMEulerScheduler"}, "EDM kind"),
        ({"sigma_data": 1.0, "prediction_type": "v_prediction"}, "EDM kind"),
        ({"beta_schedule": "sigmoid"}, "beta_schedule 'sigmoid'"),
        ({"timestep_spacing": "foo"}, "timestep_spacing 'foo'"),
        ({"trained_betas": [0.1, 0.2]}, "2 trained_betas"),
        ({"timestep_type": "continuous", "prediction_type": "v_prediction"}, "EDM kind"),
    ],
)
def test_schedules_that_cannot_be_trained_on_are_refused(said: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Diffusion({**SCHEDULER, **said}, CPU)


@pytest.mark.parametrize("config", [{"shift": 3.0}, {"shift": 1.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}])
def test_a_flows_levels_are_those_of_diffusers(config: dict) -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift

    theirs = FlowMatchEulerDiscreteScheduler(**config)
    sigmas = torch.linspace(1, 1 / 7, 7).tolist()
    theirs.set_timesteps(sigmas=sigmas, mu=calculate_shift(12 * 10) if config.get("use_dynamic_shifting") else None)
    assert Flow(config, 2).levels(7, 24, 20) == pytest.approx(theirs.sigmas.tolist(), abs=1e-6)


def test_a_flow_ends_in_pure_noise_and_weighs_every_time_alike() -> None:
    flow, noise = Flow({}, 2), torch.randn(1, 4, 8, 8)
    assert torch.equal(flow.add_noise(torch.randn(1, 4, 8, 8), noise, torch.tensor([999])), noise)
    assert flow.loss_weight(torch.tensor([1, 500]), 5.0).tolist() == [1.0, 1.0]


def test_the_prediction_type_comes_from_the_folder(tmp_path: Path) -> None:
    from tests import tiny_sdxl

    folder = tiny_sdxl.write(tmp_path / "v", prediction_type="v_prediction", rescale_betas_zero_snr=True)
    base = backbones.load(folder)
    latents, noise, t = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), torch.tensor([999])
    torch.testing.assert_close(base.target(latents, noise, t), -latents)
