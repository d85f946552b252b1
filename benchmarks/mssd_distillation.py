"""How close a student of guidance comes to its teacher, on an MSSD so small that a student can be trained to its end.

    python benchmarks/mssd_distillation.py [--teacher-steps 500] [--steps 16000] [--kind head|embedding] [--seed 0]

Made-up images: smooth LR patches, and HR patches with a tint that the LR image does not show and the caption names. So
words change much of what the teacher predicts, and without them it has to guess from the noised image. All weights
start random. Printed is the error of the student over what guidance changes, at each weight (0 is the teacher, 1 knows
nothing of guidance), on patches that neither was trained on.
"""

import argparse
import time

import torch
from torch.nn import functional as F

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.diffusion.learning.distillation import Teaching
from segsr_arch.diffusion.parts.text import Words
from segsr_arch.diffusion.steering.guidance import guidance_error, guided_from
from segsr_arch.models.draws import Draws

WEIGHTS = (1.5, 3.0, 5.0, 9.0)
_TINTS = {"red roofs": (1.0, -0.5, -0.5), "green fields": (-0.5, 1.0, -0.5), "blue water": (-0.5, -0.5, 1.0)}
_REPEATED = 30  # times that a caption says its words, so that most of the 77 tokens tell captions apart
_SIDE, _SCALE, _PATCHES, _MEASURED = 4, 2, 16, 256
_NETWORK = {
    "scale": _SCALE,
    "stable_diffusion": {
        "autoencoder": {"type": "pixels", "factor": 2},
        "text": {"width": 16, "layers": 1, "heads": 2},
        "unet": {
            "block_out_channels": [16, 32],
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "layers_per_block": 1,
            "norm_num_groups": 8,
            "attention_head_dim": 4,
        },
        "schedule": {"prediction_type": "v_prediction"},
    },
    "trained": ["controlnet", "unet"],
    "base": "bicubic",
    "latent_std": 0.2,
    "correction": "none",
}


def make_network(one_pass_guidance=None):
    """Build a network; its text encoder, which is frozen, remembers what it has read."""
    network = MSSD(**_NETWORK, one_pass_guidance=one_pass_guidance)
    text = network.unet.parts.text
    text.forward = remembering(text.forward)
    return network


def remembering(encode):
    """Encode each caption once: there are only a few."""
    known = {}

    def encoded(captions):
        for caption in set(captions) - known.keys():
            known[caption] = encode([caption]).tokens
        return Words(tokens=torch.cat([known[caption] for caption in captions]))

    return encoded


def make_batch(seed, count=_PATCHES):
    """Draw LR patches, HR patches, and captions that name the tint."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 3, 3, generator=generator) * 0.5 + 0.25
    lq = F.interpolate(coarse, size=_SIDE, mode="bilinear", align_corners=True)
    names = [list(_TINTS)[each] for each in torch.randint(len(_TINTS), (count,), generator=generator)]
    tints = torch.tensor([_TINTS[name] for name in names]).view(count, 3, 1, 1)
    texture = torch.randn(count, 3, _SIDE * _SCALE, _SIDE * _SCALE, generator=generator)
    hr = F.interpolate(lq, scale_factor=_SCALE, mode="bicubic") + 0.15 * tints + 0.05 * texture
    return lq, hr, [" ".join([name] * _REPEATED) for name in names]


def train(network, parameters, steps, *, rate, seed, dropout=0.0, report=None):
    """Train with AdamW and one cycle of the learning rate."""
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    network.train()
    for step in range(steps):
        lq, hr, captions = make_batch((seed + 1) * 10**6 + step)
        draw = Draws(seed=seed, keys=(step,))
        kept = draw("caption", (len(captions),)) >= dropout
        captions = [caption if keep else "" for caption, keep in zip(captions, kept, strict=True)]
        loss = sum(network.training_losses(lq, hr, captions=captions, draw=draw).values())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        cycle.step()
        if report is not None and (step + 1) % max(1, steps // 10) == 0:
            report(step + 1)


@torch.no_grad()
def measure(teacher, student):
    """Error over what guidance changes at each weight; and what guidance changes over the teacher's prediction."""
    student.eval()
    lq, hr, captions = make_batch(0, _MEASURED)
    batch = teacher._noised(lq, hr, captions, Draws(seed=0, keys=()))
    conditional, unconditional = teacher.unet.branches(batch.latents, batch.t, batch.steering)
    steering = student.unet.steering(student.unet.stem(batch.image).features, captions)
    errors = {}
    for weight in WEIGHTS:
        guided = guided_from(conditional, unconditional, torch.full((_MEASURED,), weight))
        given = student.unet.predict_guided(batch.latents, batch.t, steering, weight)
        errors[weight] = guidance_error(given, guided, conditional)
    student.train()
    change = (conditional - unconditional).square().mean().sqrt() / conditional.square().mean().sqrt()
    return errors, float(change)


def main():
    """Train both and print the errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher-steps", type=int, default=500)
    parser.add_argument("--steps", type=int, default=16000, help="of the student")
    parser.add_argument("--kind", choices=("head", "embedding"), default="head")
    parser.add_argument("--rate", type=float, default=0.003, help="learning rate of the student")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    teacher = make_network()
    train(teacher, teacher.parameters(), arguments.teacher_steps, rate=0.008, seed=arguments.seed, dropout=0.2)
    teacher.eval().requires_grad_(False)
    student = make_network(arguments.kind)
    student.load_state_dict({**student.state_dict(), **teacher.state_dict()})
    student.teaching = Teaching(teacher.unet, weights=(1.0, 14.0))
    start = time.process_time()

    def report(step):
        errors, change = measure(teacher, student)
        figures = ", ".join(f"{error:.3f} at w = {weight:g}" for weight, error in errors.items())
        taken = time.process_time() - start
        print(f"{step} steps, {taken:.0f} s: {figures} (guidance changes {change:.3f} of the prediction)", flush=True)

    report(0)
    trained = [parameter for parameter in student.parameters() if parameter.requires_grad]
    train(student, trained, arguments.steps, rate=arguments.rate, seed=arguments.seed + 1, report=report)


if __name__ == "__main__":
    main()
