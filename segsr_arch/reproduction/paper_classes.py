"""The paper's table III: what it reports of each class of UC Merced, x4."""

from segsr_arch.reproduction.rows import PaperValues

METHODS = ("HAT", "HAUNet", "SPT", "TTST", "MFG-HMoE", "SeG-SR")
"""The methods of the table, in its order: those that are best in table I."""

# SSIM and PSNR in dB of each method in turn; classes as UC Merced writes them.
_FIGURES = """
agricultural      0.4454 25.9089 0.4629 25.8604 0.4237 25.4017 0.4331 25.7061 0.4795 26.1271 0.4812 25.9110
airplane          0.8620 30.2158 0.8608 30.1278 0.8621 30.1685 0.8620 30.2693 0.8640 30.3049 0.8655 30.3747
baseballdiamond   0.8825 35.1967 0.8825 35.1434 0.8821 35.0925 0.8824 35.1594 0.8834 35.2583 0.8835 35.2488
beach             0.9260 38.8892 0.9261 38.8142 0.9258 38.7887 0.9259 38.8446 0.9265 38.9307 0.9266 38.9262
buildings         0.7825 25.6807 0.7811 25.6987 0.7821 25.7315 0.7850 25.8140 0.7895 25.9649 0.7901 26.0421
chaparral         0.7460 27.1512 0.7465 27.1771 0.7462 27.1120 0.7462 27.1656 0.7468 27.1811 0.7472 27.1879
denseresidential  0.8254 28.1188 0.8273 28.2054 0.8262 28.1716 0.8272 28.2367 0.8322 28.4180 0.8325 28.4389
forest            0.6424 27.3370 0.6432 27.3740 0.6429 27.3563 0.6425 27.3477 0.6431 27.3658 0.6433 27.3679
freeway           0.7875 29.7325 0.7881 29.6470 0.7882 29.7850 0.7880 29.7476 0.7936 29.9376 0.7951 30.0141
golfcourse        0.8919 35.9789 0.8917 35.9596 0.8919 35.9823 0.8919 35.9965 0.8922 36.0236 0.8924 36.0129
harbor            0.8586 23.4707 0.8545 23.3941 0.8604 23.5984 0.8589 23.5816 0.8660 23.7931 0.8647 23.8291
intersection      0.7867 27.5717 0.7843 27.5787 0.7891 27.6817 0.7892 27.6748 0.7972 27.8651 0.7963 27.8652
mediumresidential 0.8282 29.8682 0.8304 30.0079 0.8318 30.0357 0.8305 29.9994 0.8331 30.1281 0.8334 30.1508
mobilehomepark    0.6349 19.4595 0.6313 19.4214 0.6390 19.5908 0.6397 19.6142 0.6432 19.6781 0.6461 19.7337
overpass          0.7395 26.8341 0.7400 26.8618 0.7428 26.9343 0.7388 26.7961 0.7467 27.0027 0.7487 27.0949
parkinglot        0.8099 23.8670 0.8012 23.5201 0.8101 23.9266 0.8108 23.9978 0.8251 24.5074 0.8294 24.6582
river             0.8091 30.9202 0.8110 31.0100 0.8090 30.9528 0.8104 31.0175 0.8109 31.0350 0.8114 31.0398
runway            0.8335 32.8190 0.8316 32.7886 0.8330 32.8235 0.8326 32.8215 0.8356 33.0137 0.8355 32.9687
sparseresidential 0.7889 29.1434 0.7908 29.2656 0.7890 29.2100 0.7904 29.2274 0.7928 29.3287 0.7925 29.2976
storagetanks      0.8541 31.5908 0.8534 31.5755 0.8552 31.6992 0.8532 31.5864 0.8568 31.7194 0.8572 31.6928
tenniscourt       0.8410 31.3149 0.8382 31.2574 0.8382 31.2843 0.8412 31.3464 0.8446 31.4679 0.8458 31.5321
"""


def paper_classes(method: str) -> dict[str, PaperValues]:
    """What the paper reports of a method by class.

    Args:
        method: One of :data:`METHODS`.

    Returns:
        Values by the name of the class, in the paper's order.
    """
    first = 2 * METHODS.index(method)
    lines = [line.split() for line in _FIGURES.strip().splitlines()]
    return {name: PaperValues(ssim=float(figures[first]), psnr=float(figures[first + 1])) for name, *figures in lines}
