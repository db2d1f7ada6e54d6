"""A tiny random Z-Image folder: a single-stream flow-matching transformer with a language model as its text encoder."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from recipes.layfigure.make_tokenizer import TOKENS

_TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"


def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE over the lay-figure world's words, with Qwen's chat marks."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    core.train_from_iterator(
        TOKENS,
        trainers.BpeTrainer(
            vocab_size=1200, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), special_tokens=marks, show_progress=False
        ),
    )
    made = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=512)
    made.chat_template = _TEMPLATE
    return made


def write(folder: Path, seed: int = 0) -> Path:
    """Write the folder and return it: 32 x 32 pictures, 8 x 8 latents of 4 channels."""
    torch.manual_seed(seed)
    words_of = tokenizer()
    transformer = ZImageTransformer2DModel(
        in_channels=4, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
        axes_dims=[8, 4, 4], axes_lens=[1024, 64, 64],
    )  # fmt: skip
    torch.nn.init.normal_(transformer.x_pad_token, std=0.02)
    torch.nn.init.normal_(transformer.cap_pad_token, std=0.02)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3, block_out_channels=(4, 8, 8),
        layers_per_block=1, latent_channels=4, norm_num_groups=2, sample_size=32, scaling_factor=0.3611, shift_factor=0.1159,
        mid_block_add_attention=False,
    )  # fmt: skip
    text = Qwen3Model(
        Qwen3Config(vocab_size=len(words_of), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                    num_key_value_heads=1, head_dim=8, max_position_embeddings=1024)
    )  # fmt: skip
    ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), vae=vae, text_encoder=text, tokenizer=words_of, transformer=transformer
    ).save_pretrained(folder)
    return folder
