import copy
import json
import logging
import re

import pytest
import torch
from basicsr.archs import build_network
from basicsr.data import build_dataloader, build_dataset
from basicsr.models import build_model

from segsr_arch.errors import CheckpointError, ConfigError, DivergenceError
from segsr_arch.models.validation import ValidationResult
from tests.models.tiny import batch, tiny_options

PLAIN = {"type": "HAT", "upscale": 2, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 8}
PLAIN |= {"compress_ratio": 3, "squeeze_factor": 6, "drop_path_rate": 0.0}


def build(root, **options):
    torch.manual_seed(0)
    return build_model(tiny_options(root, **options))


def step(model, seed=0, iteration=1):
    model.feed_data(batch(seed))
    model.optimize_parameters(iteration)
    return model


def val_loader(model):
    options = model.opt["datasets"]["val"]
    return build_dataloader(build_dataset(options), options, num_gpu=0, dist=False, sampler=None, seed=0)


def trained_values(model):
    return {name: p.detach().clone() for name, p in model.net_g.named_parameters() if p.requires_grad}


def guided(tmp_path):
    network = tiny_options(tmp_path)["network_g"]
    return {**network, "semantics": {**network["semantics"], "lora_dropout": 0.0}}


@pytest.mark.parametrize("model_type", ["SRModel", "SeGSRModel"])
@pytest.mark.parametrize("network", [None, PLAIN], ids=["guided", "plain"])
def test_trains_validates_saves_and_loads_in_either_model(tmp_path, model_type, network):
    model = build(tmp_path, model_type=model_type, network=network)
    before = trained_values(model)
    for iteration in (1, 2, 3):
        model.update_learning_rate(iteration)
        step(model, iteration, iteration)
    changed = [name for name, value in trained_values(model).items() if not torch.equal(value, before[name])]
    assert len(changed) > 0.9 * len(before)
    model.validation(val_loader(model), 3, None, False)
    assert 5 < model.metric_results["psnr"] < 60
    assert model.net_g.training
    model.save(0, 3)
    content = torch.load(tmp_path / "models/net_g_3.pth", weights_only=True)
    assert set(content) == {"params", "params_ema"}
    assert not [name for name in content["params"] if ".visual." in name and "lora_" not in name]
    options = tiny_options(tmp_path, is_train=False, model_type=model_type, network=network)
    options["path"] |= {"pretrain_network_g": str(tmp_path / "models/net_g_3.pth"), "param_key_g": "params_ema"}
    tested = build_model(options)
    tested.validation(val_loader(model), "tiny", None, False)
    assert tested.metric_results["psnr"] == pytest.approx(model.metric_results["psnr"], abs=1e-4)


def test_same_step_as_the_stock_model(tmp_path):
    network = guided(tmp_path)
    stock = build(tmp_path, model_type="SRModel", network=copy.deepcopy(network))
    ours = build(tmp_path, network=copy.deepcopy(network))
    for iteration in (1, 2):
        step(stock, iteration, iteration)
        step(ours, iteration, iteration)
    for name, value in trained_values(stock).items():
        torch.testing.assert_close(dict(ours.net_g.named_parameters())[name], value, msg=name)
    averages = [dict(model.net_g_ema.named_parameters()) for model in (stock, ours)]
    for name in trained_values(stock):
        torch.testing.assert_close(averages[1][name], averages[0][name], msg=name)


def test_optimizer_holds_what_is_trainable_and_lora_has_its_own_rate(tmp_path):
    model = build(tmp_path, train={"lora_lr_factor": 0.1})
    rest, lora = model.optimizer_g.param_groups
    names = {id(p): name for name, p in model.net_g.named_parameters()}
    assert all("lora_" in names[id(p)] for p in lora["params"])
    assert len(rest["params"]) + len(lora["params"]) == len(trained_values(model))
    assert (rest["lr"], lora["lr"]) == (1e-3, pytest.approx(1e-4))
    for iteration in range(1, 102):
        model.update_learning_rate(iteration)
    assert model.get_current_learning_rate() == [pytest.approx(5e-4), pytest.approx(5e-5)]


def test_average_shares_the_frozen_vlm(tmp_path):
    model = build(tmp_path)
    frozen = {name: p for name, p in model.net_g.named_parameters() if not p.requires_grad}
    averages = dict(model.net_g_ema.named_parameters())
    assert frozen and all(averages[name] is p for name, p in frozen.items())
    start = trained_values(model)
    step(model)
    name = "base.conv_first.weight"
    expected = 0.5 * start[name] + 0.5 * dict(model.net_g.named_parameters())[name]
    torch.testing.assert_close(averages[name], expected)


def test_average_warms_up_if_that_is_wanted(tmp_path):
    model = build(tmp_path, train={"ema_decay": 0.999, "ema_warmup": True})
    start = trained_values(model)
    step(model)
    name = "base.conv_first.weight"
    expected = 2 / 11 * start[name] + 9 / 11 * dict(model.net_g.named_parameters())[name]
    torch.testing.assert_close(dict(model.net_g_ema.named_parameters())[name], expected)


@pytest.mark.parametrize("amp", ["bf16", "fp16"])
def test_autocast_trains_near_float32(tmp_path, amp):
    network = guided(tmp_path)
    losses = []
    for setting in (None, amp):
        model = step(build(tmp_path, network=copy.deepcopy(network), train={"amp": setting}))
        losses.append(model.get_current_log()["l_pix"])
        assert all(p.dtype == torch.float32 for p in model.net_g.parameters())
    assert losses[1] != losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_compiled_it_takes_the_same_steps_and_is_saved_and_validated_as_ever(tmp_path, monkeypatch):
    network, ran = guided(tmp_path), []

    def compile_quickly(net):
        compiled = real(net, backend="aot_eager")
        return lambda lq: (ran.append(tuple(lq.shape)), compiled(lq))[1]

    real = torch.compile
    monkeypatch.setattr(torch, "compile", compile_quickly)
    plain, compiled = (
        build(tmp_path, network=copy.deepcopy(network), train={"compile": wanted, "accumulate": 2})
        for wanted in (False, True)
    )
    for iteration in (1, 2):
        step(plain, iteration, iteration), step(compiled, iteration, iteration)
    assert ran == [(2, 3, 16, 16)] * 4
    for name, value in trained_values(plain).items():
        torch.testing.assert_close(dict(compiled.net_g.named_parameters())[name], value, atol=1e-5, rtol=1e-3, msg=name)
    compiled.validation(val_loader(compiled), 2, None, False)
    assert len(ran) == 4
    compiled.save(0, 2)
    saved = torch.load(tmp_path / "models/net_g_2.pth", weights_only=True)["params"]
    assert "base.conv_first.weight" in saved and not [name for name in saved if "_orig_mod" in name]


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulating_is_the_same_step_in_less_memory(tmp_path, parts):
    network = guided(tmp_path)
    whole = build(tmp_path, network=copy.deepcopy(network), train={"optim_g": {"type": "SGD", "lr": 0.1}})
    split = build(
        tmp_path, network=copy.deepcopy(network), train={"optim_g": {"type": "SGD", "lr": 0.1}, "accumulate": parts}
    )
    seen = []
    split.net_g.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    for model in (whole, split):
        step(model)
    assert seen == [4 // parts] * parts
    assert split.get_current_log()["l_pix"] == pytest.approx(whole.get_current_log()["l_pix"], rel=1e-5)
    for name, value in trained_values(whole).items():
        torch.testing.assert_close(dict(split.net_g.named_parameters())[name], value, atol=1e-6, rtol=1e-4, msg=name)


def test_gradients_are_clipped_to_the_norm(tmp_path):
    model = build(tmp_path, train={"grad_clip": 1e-3, "optim_g": {"type": "SGD", "lr": 1.0}})
    before = trained_values(model)
    step(model)
    moved = torch.stack([(p.detach() - before[n]).norm() for n, p in model.net_g.named_parameters() if n in before])
    assert moved.norm().item() == pytest.approx(1e-3, rel=1e-2)


def test_nan_stops_with_a_remedy_and_leaves_the_weights(tmp_path):
    model = step(build(tmp_path))
    model.save(0, 1)
    before = trained_values(model)
    data = batch()
    data["lq"][0, 0, 0, 0] = float("nan")
    model.feed_data(data)
    message = r"The loss is nan .* at iteration 2 .*last saved state is .*1\.state.*grad_clip"
    with pytest.raises(DivergenceError, match=message):
        model.optimize_parameters(2)
    for name, value in trained_values(model).items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("grad_clip", [None, 1.0])
def test_a_gradient_that_is_not_finite_stops_before_it_is_applied(tmp_path, grad_clip):
    model = step(build(tmp_path, train={"grad_clip": grad_clip}))
    before = trained_values(model)
    weight = dict(model.net_g.named_parameters())["base.conv_first.weight"]
    weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(DivergenceError, match="norm of its gradient (nan|inf) at iteration 2"):
        step(model, iteration=2)
    for name, value in trained_values(model).items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("tile", [None, {"size": 16, "overlap": 4}, {"size": 13, "overlap": 4}, {"size": 100}])
def test_networks_that_leave_padding_to_their_caller_take_any_size(tmp_path, tile):
    swin = {"type": "SwinIR", "upscale": 2, "img_size": 16, "window_size": 8, "embed_dim": 12, "depths": [2]}
    swin |= {"num_heads": [2], "mlp_ratio": 2, "upsampler": "pixelshuffle", "resi_connection": "1conv"}
    model = build(tmp_path, is_train=False, network=swin, tile=tile)
    lq = torch.rand(1, 3, 23, 17)
    model.feed_data({"lq": lq})
    model.test()
    assert model.output.shape == (1, 3, 46, 34)
    if tile in (None, {"size": 100}):
        padded = torch.nn.functional.pad(lq, (0, 7, 0, 1), mode="reflect")
        with torch.no_grad():
            torch.testing.assert_close(model.output, model.net_g.eval()(padded)[..., :46, :34])


def test_tiles_give_what_the_whole_image_gives_for_a_local_network(tmp_path):
    network = {"type": "MSRResNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "upscale": 2}
    whole = build(tmp_path, is_train=False, network=network)
    with torch.no_grad():  # an untrained one hardly differs from its bilinear skip connection
        for parameter in whole.net_g.parameters():
            parameter.mul_(5)
    lq = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    whole.feed_data({"lq": lq})
    whole.test()
    skip = torch.nn.functional.interpolate(lq, scale_factor=2, mode="bilinear")
    assert (whole.output - skip).abs().max() > 0.05
    errors = {}
    for overlap in (0, 16):
        tiled = build(tmp_path, is_train=False, network=network, tile={"size": 32, "overlap": overlap})
        tiled.net_g.load_state_dict(whole.net_g.state_dict())
        tiled.feed_data({"lq": lq})
        tiled.test()
        assert tiled.output.shape == (1, 3, 80, 100)
        errors[overlap] = (tiled.output - whole.output).abs().max().item()
    assert errors[16] < 0.25 * errors[0], errors


def test_validation_names_iteration_keeps_the_best_and_its_record(tmp_path, caplog):
    model = step(build(tmp_path), iteration=7)
    with caplog.at_level(logging.INFO, logger="basicsr"):
        logging.getLogger("basicsr").propagate = True
        model.validation(val_loader(model), 8, None, True)  # BasicSR counts one too many at the end
    assert (tmp_path / "visualization/im0/im0_7.png").is_file()
    record = json.loads((tmp_path / "models/net_g_best.json").read_text())
    assert record == {"dataset": "made_val", "metric": "psnr", "value": model.metric_results["psnr"], "iter": 7}
    best = torch.load(tmp_path / "models/net_g_best.pth", weights_only=True)
    assert set(best) == {"params", "params_ema"}
    # A worse network later does not replace it, nor after a resume.
    with torch.no_grad():
        model.net_g_ema.base.conv_last.weight.mul_(5)
    model.trained_iter = 9
    model.validation(val_loader(model), 9, None, False)
    assert json.loads((tmp_path / "models/net_g_best.json").read_text())["iter"] == 7
    model.save(0, 7)
    resumed = build_model(tiny_options(tmp_path))
    resumed.resume_training(torch.load(tmp_path / "training_states/7.state", weights_only=True))
    assert resumed.best_metric_results == model.best_metric_results
    with torch.no_grad():
        resumed.net_g_ema.base.conv_last.weight.mul_(5)
    resumed.validation(val_loader(resumed), 10, None, False)
    assert json.loads((tmp_path / "models/net_g_best.json").read_text())["iter"] == 7
    # Selecting by another metric starts anew.
    options = tiny_options(tmp_path)
    options["val"]["metrics"] = {"ssim": {"type": "calculate_ssim", "crop_border": 2}, **options["val"]["metrics"]}
    other = build_model(options)
    other.resume_training(torch.load(tmp_path / "training_states/7.state", weights_only=True))
    other.best_metric_results = {}
    other.validation(val_loader(other), 11, None, False)
    assert json.loads((tmp_path / "models/net_g_best.json").read_text())["metric"] == "ssim"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"dataset": "made_val"', "cannot be read .*the next validation replaces it"),
        ('{"dataset": "made_val", "metric": "psnr", "value": 99.0, "iter": 8}', "iteration 8, after iteration 7"),
    ],
)
def test_best_network_of_a_damaged_or_later_record_is_told(tmp_path, caplog, content, message):
    model = step(build(tmp_path), iteration=7)
    model.save(0, 7)
    (tmp_path / "models/net_g_best.json").write_text(content)
    logging.getLogger("basicsr").propagate = True
    build(tmp_path).resume_training(torch.load(tmp_path / "training_states/7.state", weights_only=True))
    assert re.search(message, caplog.text)


def give_means(monkeypatch, psnr):
    result = ValidationResult(images=(), means={"psnr": psnr}, set_values={})
    monkeypatch.setattr("segsr_arch.models.validated_model.validate", lambda *_args: result)


@pytest.mark.parametrize(("better", "kept"), [("higher", 3), ("lower", 2)])
def test_best_follows_the_direction_the_first_set_and_skips_nan(tmp_path, monkeypatch, better, kept):
    options = tiny_options(tmp_path)
    options["val"]["metrics"]["psnr"]["better"] = better
    options["datasets"]["val_2"] = {**options["datasets"]["val"], "name": "second"}
    torch.manual_seed(0)
    model = build_model(options)
    for iteration, value in ((1, float("nan")), (2, 20.0), (3, 30.0), (4, 25.0)):
        give_means(monkeypatch, value)
        model.trained_iter = iteration
        model.validation(val_loader(model), iteration, None, False)
        second = val_loader(model)
        second.dataset.opt["name"] = "second"
        give_means(monkeypatch, 99.0)
        model.validation(second, iteration, None, False)
    assert json.loads((tmp_path / "models/net_g_best.json").read_text())["iter"] == kept


def test_fp16_goes_on_with_its_loss_scale(tmp_path):
    model = build(tmp_path, train={"amp": "fp16"})
    step(model)
    model.scaler.update(128.0)
    model.save(0, 1)
    resumed = build(tmp_path, train={"amp": "fp16"})
    resumed.resume_training(torch.load(tmp_path / "training_states/1.state", weights_only=True))
    assert resumed.scaler.get_scale() == model.scaler.get_scale() == 128.0


def test_metrics_without_ground_truth_are_explained(tmp_path):
    options = tiny_options(tmp_path, is_train=False)
    single = {
        "name": "lq_only",
        "type": "SingleImageDataset",
        "dataroot_lq": str(tmp_path / "data/LR"),
        "phase": "test",
    }
    single |= {"io_backend": {"type": "disk"}, "scale": 2}
    model = build_model(options)
    loader = build_dataloader(build_dataset(single), single, num_gpu=0)
    with pytest.raises(ConfigError, match="lq_only: has no ground truth"):
        model.validation(loader, "tiny", None, False)
    del model.opt["val"]["metrics"]
    model.validation(loader, "tiny", None, True)
    assert (tmp_path / "visualization/lq_only/im0_tiny.png").is_file()


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"amp": "int8"}, "amp: must be bf16, fp16 or null"),
        ({"accumulate": 3}, "accumulate: 3 must divide .*batch_size_per_gpu: 4"),
        ({"accumulate": 0}, "accumulate: must be a whole number"),
        ({"grad_clip": -1}, "grad_clip: must be a number above 0 or null"),
        ({"lora_lr_factor": -1}, "lora_lr_factor"),
        ({"pixel_opt": None}, "needs a loss"),
    ],
)
def test_wrong_options_are_explained(tmp_path, train, message):
    with pytest.raises(ConfigError, match=message):
        build(tmp_path, train=train)


def test_checkpoint_of_another_vlm_is_refused_by_the_stock_loader(tmp_path):
    step(build(tmp_path)).save(0, 1)
    options = tiny_options(tmp_path, is_train=False)
    options["path"]["pretrain_network_g"] = str(tmp_path / "models/net_g_1.pth")
    options["network_g"]["semantics"]["random_seed"] = 3
    with pytest.raises(CheckpointError, match=r"random\(0\).*random\(3\)"):
        build_model(options)
    options["network_g"]["semantics"]["random_seed"] = 0
    options["network_g"]["upscale"] = 4
    with pytest.raises(CheckpointError, match="upscale 2 in the file, 4 here"):
        build_model(options)


def test_bicubic_is_a_network_of_the_test_loop(tmp_path):
    lq = torch.rand(2, 3, 7, 9)
    network = build_network({"type": "Bicubic", "upscale": 3})
    assert network(lq).shape == (2, 3, 21, 27)
    torch.testing.assert_close(network(torch.full((1, 3, 5, 5), 0.25)), torch.full((1, 3, 15, 15), 0.25))
    model = build(tmp_path, is_train=False, network={"type": "Bicubic", "upscale": 2})
    model.validation(val_loader(model), "tiny", None, False)
    assert model.metric_results["psnr"] > 15
