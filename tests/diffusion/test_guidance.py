import pytest
import torch
from torch import nn

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.diffusion.learning.distillation import Teaching, share_of_guidance
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.diffusion.steering.guidance import GuidanceEmbedding, GuidanceHead, guidance_error, guided_from
from segsr_arch.errors import ConfigError
from segsr_arch.models.draws import Draws
from tests.support import TINY_MSSD

KINDS = ("head", "embedding")
SCHEDULE = NoiseSchedule.of({"prediction_type": "v_prediction"})
WORDS = torch.eye(3)  # three captions, each a colour; none is zeros


class Colours(nn.Module):
    """A denoiser of flat colours that words name, with the two places of a UNet that guidance is told at."""

    def __init__(self, width=48):
        super().__init__()
        self.time_embedding = nn.Sequential()
        self.time_embedding.add_module("linear_1", nn.Linear(16, width))
        self.words, self.conv_in = nn.Linear(3, width), nn.Conv2d(3, width, 1)
        self.body = nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 1), nn.SiLU(), nn.Conv2d(width, width, 1))
        self.conv_out = nn.Conv2d(width, 3, 1)
        self.evaluations = 0

    def forward(self, latents, t, words):
        self.evaluations += 1
        signal = SCHEDULE.signal(t).view(-1, 1)
        told = self.time_embedding((signal * torch.linspace(1, 8, 16)).sin()) + self.words(words)
        return self.conv_out(self.body(self.conv_in(latents) + told[:, :, None, None]).relu())


def batch(seed, count=64):
    generator = torch.Generator().manual_seed(seed)
    words = WORDS[torch.randint(3, (count,), generator=generator)]
    clean = words.view(count, 3, 1, 1) - 1 / 3 + 0.3 * torch.randn(count, 1, 2, 2, generator=generator)
    noise = torch.randn(count, 3, 2, 2, generator=generator)
    t = torch.randint(1000, (count,), generator=generator)
    return SCHEDULE.noised(clean, noise, t), t, words, SCHEDULE.target(clean, noise, t), generator


def fit(modules, loss, *, steps, rate):
    parameters = list(modules.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    for step in range(steps):
        optimizer.zero_grad()
        loss(*batch(step)).backward()
        optimizer.step()
        schedule.step()


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    network = Colours()

    def loss(noised, t, words, target, generator):
        kept = (torch.rand(len(words), 1, generator=generator) > 0.3).float()
        return (network(noised, t, words * kept) - target).square().mean()

    fit(network, loss, steps=250, rate=5e-3)
    return network.requires_grad_(False)


@pytest.mark.parametrize(("one_pass", "most"), [(GuidanceHead, 0.2), (GuidanceEmbedding, 0.3)])
def test_a_student_gives_in_one_evaluation_what_the_trained_teacher_gives_in_two(teacher, one_pass, most):
    torch.manual_seed(1)
    student = Colours()
    student.load_state_dict(teacher.state_dict())
    told = one_pass(student)

    def guided(noised, t, words, weights):
        return guided_from(teacher(noised, t, words), teacher(noised, t, 0 * words), weights)

    def learned(noised, t, words, weights):
        return told(student, lambda: student(noised, t, words), weights)

    def loss(noised, t, words, _, generator):
        weights = 1 + 9 * torch.rand(len(words), generator=generator)
        distance = (learned(noised, t, words, weights) - guided(noised, t, words, weights)).square().mean((1, 2, 3))
        return share_of_guidance(distance, weights).mean()

    noised, t, words, _, _ = batch(10**6, 512)
    nine = torch.full((512,), 9.0)
    conditional = teacher(noised, t, words)
    before = guidance_error(learned(noised, t, words, nine), guided(noised, t, words, nine), conditional)
    assert before == pytest.approx(1), "it starts as the teacher without guidance"
    fit(nn.ModuleList([student, told]), loss, steps=800, rate=5e-3)
    for weight in (1.5, 3.0, 5.0, 9.0):
        weights = torch.full((512,), weight)
        teacher.evaluations = student.evaluations = 0
        with torch.no_grad():
            answer, known = learned(noised, t, words, weights), guided(noised, t, words, weights)
        assert (student.evaluations, teacher.evaluations) == (1, 2)
        assert guidance_error(answer, known, conditional) < most


def build(**changes):
    torch.manual_seed(0)
    return MSSD(**{**TINY_MSSD, "scale": 2, "correction": "none", **changes}).eval()


def student_of(teacher, kind, **changes):
    student = build(one_pass_guidance=kind, **changes)
    student.load_state_dict({**student.state_dict(), **teacher.state_dict()})
    return student


@pytest.mark.parametrize("kind", KINDS)
def test_mssd_learns_from_a_teacher_that_stays_as_it_is_and_is_in_no_checkpoint(kind):
    teacher = build(trained=["controlnet"])
    with torch.no_grad():  # an untrained ControlNet adds nothing
        for parameter in teacher.unet.control.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    student = student_of(teacher, kind, trained=["controlnet"])
    names = set(student.state_dict())
    known = {name: value.clone() for name, value in teacher.state_dict().items()}
    student.teaching = Teaching(teacher.unet, weights=(1.0, 10.0))
    lq, gt, captions = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16), ["red roofs", "green fields"]
    optimizer = torch.optim.AdamW([p for p in student.parameters() if p.requires_grad], lr=2e-3)
    losses = []
    for _ in range(12):
        all_losses = student.training_losses(lq, gt, captions=captions, draw=Draws(seed=0, keys=(0,)))
        assert list(all_losses) == ["l_guidance"]
        losses.append(all_losses["l_guidance"])
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1].item() < 0.9 * losses[0].item()
    assert set(student.state_dict()) == names
    assert all(torch.equal(value, known[name]) for name, value in teacher.state_dict().items())


@pytest.mark.parametrize(("weight", "share"), [(1.0, 0.0), (1.5, 0.5), (3.0, 4 / 4.25), (10.0, 81 / 81.25)])
def test_a_student_without_guidance_is_as_wrong_at_each_weight_however_little_words_change(weight, share):
    teacher = build(trained=["controlnet"])
    student = student_of(teacher, "head", trained=["controlnet"])
    student.teaching = Teaching(teacher.unet, weights=(1.0, 11.0))
    numbers = Draws(seed=0, keys=(0,))

    def draw(kind, shape):
        return torch.full(shape, (weight - 1) / 10) if kind == "guidance" else numbers(kind, shape)

    lq, gt = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        found = student.training_losses(lq, gt, captions=["red roofs"], draw=draw)["l_guidance"]
        silent = student.training_losses(lq, gt, captions=[""], draw=draw)["l_guidance"]
    assert float(found) == pytest.approx(share, rel=1e-2, abs=1e-6)
    assert float(silent) < 1e-9, "there is nothing to be wrong about"


@pytest.mark.parametrize("captions", [["", ""], ["", " "], ["red roofs => red roofs", ""]])
def test_a_batch_whose_words_change_nothing_is_learned_as_it_is_though_numbers_are_rounded(captions, monkeypatch):
    """Halves of a batch need not be equal to the last bit; here the second one is as far off as was seen."""
    teacher = build(trained=["controlnet"])
    student = student_of(teacher, "head", trained=["controlnet"])
    student.teaching = Teaching(teacher.unet, weights=(1.0, 14.0))
    branches = teacher.unet.branches

    def rounded(*given):
        conditional, unconditional = branches(*given)
        return conditional, unconditional * (1 + 3e-7)

    monkeypatch.setattr(teacher.unet, "branches", rounded)
    with torch.no_grad():  # it errs by what is no guidance
        for parameter in student.unet.control.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    lq, gt = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        loss = student.training_losses(lq, gt, captions=captions, draw=Draws(seed=0, keys=(0,)))["l_guidance"]
    assert 1e-5 < float(loss) < 1


@pytest.mark.parametrize("kind", KINDS)
def test_images_without_words_are_told_no_weight_though_the_encoder_rounds(kind, monkeypatch):
    teacher = build(sampler={"steps": 2, "guidance": 5.0})
    student = student_of(teacher, kind, sampler={"steps": 2, "guidance": 5.0})
    nn.init.normal_(next(student.unet.one_pass.parameters()), std=0.5)
    text, told = student.unet.parts.text, []
    forward = type(text).forward

    def rounding(self, captions):
        words = forward(self, captions)
        return type(words)(tokens=words.tokens * (1 + 1e-6 * len(captions)))

    monkeypatch.setattr(type(text), "forward", rounding)
    weights = student.unet._weights
    monkeypatch.setattr(student.unet, "_weights", lambda *given: told.append(weights(*given)) or told[-1])
    with torch.no_grad():
        student(torch.rand(3, 3, 8, 8), ["red roofs", "", " "])
    assert told and all(weights.tolist() == [5.0, 1.0, 1.0] for weights in told)


@pytest.mark.parametrize("kind", KINDS)
def test_mssd_samples_with_one_evaluation_a_step_and_each_image_apart(kind):
    teacher = build(sampler={"steps": 3, "guidance": 5.0})
    student = student_of(teacher, kind, sampler={"steps": 3, "guidance": 5.0})
    batches = {"teacher": [], "student": []}
    for name, network in (("teacher", teacher), ("student", student)):
        seen = batches[name]
        network.unet.parts.unet.conv_in.register_forward_pre_hook(
            lambda _, inputs, seen=seen: seen.append(len(inputs[0]))
        )
    nn.init.normal_(next(student.unet.one_pass.parameters()), std=0.05)
    lq, captions = torch.rand(2, 3, 8, 8), ["red roofs", ""]
    with torch.no_grad():
        teacher(lq, captions)
        together = student(lq, captions)
        alone = [student(lq[place : place + 1], captions[place : place + 1]) for place in range(2)]
    assert batches["teacher"] == [4, 4, 4] and batches["student"] == [2, 2, 2] + [1] * 6
    for place in range(2):
        assert (alone[place] - together[place : place + 1]).abs().max() < 1e-5


def test_a_way_to_be_told_the_weight_that_is_not_known_is_refused():
    with pytest.raises(ConfigError, match="one_pass_guidance: must be head, embedding or null, got 'tail'"):
        build(one_pass_guidance="tail")


@pytest.mark.parametrize("kind", KINDS)
def test_a_student_cannot_lead_away_from_words_that_it_has_not_learned(kind):
    with pytest.raises(ConfigError, match="network_g: negative: a student of guidance .*remove negative, or sample wi"):
        build(one_pass_guidance=kind, negative="blurry")
    build(one_pass_guidance=kind, negative="")
    build(negative="blurry")
