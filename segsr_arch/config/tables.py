"""Known options of BasicSR 1.4.2, as tables. No logic here.

Those of model classes are in :mod:`segsr_arch.config.model_tables`, those of data sets in
:mod:`segsr_arch.config.dataset_tables`. What this package adds stands where it is read, as option dataclasses
(:mod:`segsr_arch.option_fields`) or ``option_keys`` of a class.
"""

from segsr_arch.named_models.card import ModelCard
from segsr_arch.option_fields import keys_of
from segsr_arch.option_keys import Key, needed

_TYPE = "name of a class or function that is registered"

TOP = {
    "name": needed("text", help="name of the run; its folder is experiments/NAME or results/NAME"),
    "model_type": needed("text", help="class that trains and tests the network"),
    "scale": Key("int", nullable=False, minimum=1, help="how many times as wide and high the SR image is"),
    "num_gpu": needed("int", words=("auto",), minimum=0, help="GPUs to use; 0 for the CPU, auto for all there are"),
    "manual_seed": Key("int", minimum=0, maximum=2**32 - 1, help="seed of all random numbers; null draws one"),
    "datasets": needed("mapping", help="data sets by phase: train, val, val_2, ... or test, test_2, ..."),
    "path": needed("mapping", help="files of weights and states to start from"),
    "train": Key("mapping", help="training: iterations, optimizer, schedule, losses"),
    "val": Key("mapping", help="validation or test: how often, metrics, what is saved"),
    "logger": Key("mapping", help="what is logged and saved, and how often"),
    "dist_params": Key(
        "mapping",
        nullable=False,
        keys={
            "backend": Key("text", help="backend of torch.distributed, such as nccl or gloo"),
            "port": Key("int", minimum=1, help="port at which processes find each other, with slurm"),
        },
        help="communication between processes",
    ),
    "find_unused_parameters": Key("bool", help="let processes cope with parameters that a loss does not reach"),
    "card": Key("mapping", keys=keys_of(ModelCard), help="what is known of a trained network; segsr models shows it"),
    "imports": Key("texts", help="Python modules or files that register parts of your own; they are run"),
}
DISCRIMINATOR = {"network_d": Key("mapping", help="discriminator of a GAN")}
NETWORK = {"network_g": needed("mapping", help="network that enlarges images")}

PATH = {
    "resume_state": Key("text", help="state (.state) of a training that goes on"),
    "ignore_resume_networks": Key("texts", help="networks whose weights do not come from that state"),
}
# with the label of a network behind it, such as pretrain_network_g
PATH_PER_NETWORK = {
    "pretrain_network": Key("text", help="weights (.pth, .safetensors) to start from"),
    "param_key": Key("text", help="entry of that file: params or params_ema; null for a file without entries"),
    "strict_load": Key("bool", nullable=False, help="whether every name and shape must fit"),
}

# written by BasicSR itself while it parses, whatever the file says; each with what to do instead
_LAUNCHER = "use --launcher, which says how many processes there are"
TOP_INTERNAL = {
    "is_train": "use `basicsr train` or `basicsr test`",
    "auto_resume": "use --auto_resume",
    "dist": _LAUNCHER,
    "rank": _LAUNCHER,
    "world_size": _LAUNCHER,
    "root_path": "start the command in that folder",
}
_FOLDERS = "experiments/NAME or results/NAME in the working directory; change name: instead"
PATH_INTERNAL = dict.fromkeys(
    ("experiments_root", "results_root", "models", "training_states", "log", "visualization"),
    f"BasicSR's folders are {_FOLDERS}",
)

LOGGER = {
    "print_freq": needed("count", minimum=1, help="iterations from one line of the log to the next"),
    "save_checkpoint_freq": needed("count", minimum=1, help="iterations from one checkpoint to the next"),
    "use_tb_logger": Key("bool", required=True, help="write event files of TensorBoard"),
    "wandb": Key(
        "mapping",
        keys={
            "project": Key("text", help="project of Weights & Biases; null for none"),
            "resume_id": Key("text", help="run of Weights & Biases that goes on"),
        },
        help="Weights & Biases, fed from TensorBoard's records",
    ),
}

LOSS = Key("mapping", help="a loss: its type, and arguments of that class")
TRAIN = {
    "total_iter": needed("count", minimum=1, help="iterations of the training"),
    "warmup_iter": Key("count", nullable=False, help="iterations in which the learning rate rises; -1 for none"),
    "scheduler": needed("mapping", help="how the learning rate falls"),
    "optim_g": needed("mapping", help="optimizer of the network: its type, and arguments of that class"),
}

VAL = {
    "save_img": Key("bool", help="write SR images"),
    "pbar": Key("bool", help="show a progress bar"),
    "suffix": Key("text", help="ending of the names of SR images; null for the name of the run"),
    "val_freq": Key("count", nullable=False, minimum=1, help="iterations from one validation to the next"),
    "metrics": Key("mapping", help="metrics by a name of your choice, each with its type; null for none"),
}
VAL_NEEDED = {True: ("val_freq", "save_img"), False: ("save_img", "suffix")}  # by is_train

_WEIGHTS = Key("list", nullable=False, items="number", help="factor of the learning rate after each restart")
_STEPS = {
    "type": needed("text", help=_TYPE),
    "milestones": needed("list", items="count", help="iterations at which the learning rate falls"),
    "gamma": Key("number", nullable=False, help="factor by which it falls"),
    "restarts": Key("list", nullable=False, items="count", help="iterations at which it starts again"),
    "restart_weights": _WEIGHTS,
}
SCHEDULERS = {
    "MultiStepLR": _STEPS,
    "MultiStepRestartLR": _STEPS,
    "CosineAnnealingRestartLR": {
        "type": needed("text", help=_TYPE),
        "periods": needed("list", items="count", help="iterations of each period; together the whole training"),
        "restart_weights": _WEIGHTS,
        "eta_min": Key("number", nullable=False, help="least learning rate"),
    },
}

OPTIMIZER = {
    "type": needed("text", help="class of torch.optim"),
    "lr": needed("number", minimum=0, help="learning rate"),
    "betas": Key("list", nullable=False, items="number", help="decay of the moments of Adam and its like"),
    "weight_decay": Key("number", nullable=False, minimum=0, help="factor of the penalty on weights"),
    "eps": Key("number", nullable=False, minimum=0, help="added to denominators"),
}

METRIC = {
    "type": needed("text", help=_TYPE),
    "better": Key("text", words=("higher", "lower"), help="which values are better; higher where it is left out"),
}
# parameters of BasicSR's metrics, which have no annotations, and bounds of ours; models hand over (H, W, C)
METRIC_PARAMETERS = {
    "crop_border": Key("int", nullable=False, minimum=0, unit="pixels", help="width of the border that is cut off"),
    "test_y_channel": Key("bool", nullable=False, help="compare Y of YCbCr (BT.601) alone"),
    "input_order": Key("text", nullable=False, words=("HWC",), help="order of the axes of images"),
    "convert_to": Key("text", nullable=False, words=("y", "gray"), help="what images are converted to (NIQE)"),
    "scale": Key("int", nullable=False, minimum=1, help="how many times as wide and high SR images are"),
    "images": Key("int", nullable=False, minimum=2, help="how many images a figure of a whole set needs"),
}
