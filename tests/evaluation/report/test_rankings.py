from segsr_arch.evaluation.report.rankings import choose_images, rank_images
from segsr_arch.evaluation.report.sections import group_records
from tests.evaluation.report.small_runs import LPIPS, PSNR, make_record


def section_of(*records):
    (section,) = group_records(records)
    return section


def names(ranking):
    return [name for name, _ in ranking.entries]


A = {f"i{n:02d}": float(20 + n) for n in range(20)}
B = {**A, "i03": 26.0, "i07": 22.0, "i08": 28.5}


def test_rankings_of_the_best_method_and_of_its_distance_from_the_others():
    worst, best, ahead, behind = rank_images(section_of(make_record("A", A), make_record("B", B)), PSNR)
    assert worst.title == "Worst PSNR (y-crop) of A"
    assert names(worst) == ["i00", "i01", "i02", "i03"]
    assert names(best) == ["i19", "i18", "i17", "i16"]
    assert (ahead.title, ahead.entries) == ("A furthest ahead of B", (("i07", "+5.000 dB"),))
    assert (behind.title, behind.entries) == ("A furthest behind B", (("i03", "−3.000 dB"), ("i08", "−0.500 dB")))
    assert (behind.left, behind.right) == ("B", "A")


def test_where_lower_is_better_the_worst_are_the_highest():
    a = make_record("A", {"x": 0.1, "y": 0.5}, columns=(LPIPS,))
    b = make_record("B", {"x": 0.4, "y": 0.5}, columns=(LPIPS,))
    worst, best, ahead = rank_images(section_of(a, b), LPIPS)
    assert names(worst) == ["y", "x"]
    assert names(best) == ["x", "y"]
    assert (ahead.title, ahead.entries) == ("A furthest ahead of B", (("x", "−0.30000"),))


def test_methods_on_different_images_have_no_differences():
    rankings = rank_images(section_of(make_record("A", {"x": 2.0}), make_record("B", {"y": 1.0})), PSNR)
    assert [ranking.title.split()[0] for ranking in rankings] == ["Worst", "Best"]


def test_chosen_images_hold_the_first_of_every_ranking_and_a_spread():
    section = section_of(make_record("A", A), make_record("B", B))
    chosen = choose_images(section, PSNR, rank_images(section, PSNR), 8)
    assert len(chosen) == len(set(chosen)) == 8
    assert {"i00", "i19", "i07", "i03"} <= set(chosen)
    spread = sorted(set(chosen) - {"i00", "i01", "i18", "i19", "i07", "i03", "i08"})
    assert spread[0] < "i09" < spread[-1]


def test_as_many_images_as_there_are_or_none():
    section = section_of(make_record("A", A))
    rankings = rank_images(section, PSNR)
    assert choose_images(section, PSNR, rankings, 1000) == sorted(A)
    assert choose_images(section, PSNR, rankings, 0) == []


def test_images_without_figures_are_spread_by_name():
    section = section_of(make_record("A", {name: {} for name in A}))
    assert choose_images(section, None, [], 2) == ["i05", "i15"]
