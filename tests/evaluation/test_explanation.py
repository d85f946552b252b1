import numpy as np
import pytest
import torch

from segsr_arch.errors import DataError
from segsr_arch.evaluation.explanation import Sample, embed_terms, explain, observe, selected_patches
from segsr_arch.semantics import GuideView, SemanticGuide, SemanticsConfig
from segsr_arch.semantics.maps import cosine_maps
from tests.support import TINY_SEMANTICS

AXES = torch.eye(4)
TERMS = ("east", "north", "up", "later")


def view(embeddings, tokens):
    """A view of one image from embeddings (k, C) and patch tokens (Hc, Wc, C)."""
    embeddings = torch.as_tensor(embeddings, dtype=torch.float32).unsqueeze(0)
    local = torch.as_tensor(tokens, dtype=torch.float32).permute(2, 0, 1).unsqueeze(0)
    return GuideView(
        global_feature=local.mean((-1, -2)),
        local_features=local,
        embeddings=embeddings,
        maps=cosine_maps(embeddings, local),
    )


def samples(count, classes="ab"):
    return [
        Sample(name=f"im{i}", class_name=classes[i % len(classes)], lq=torch.full((3, 4, 4), i / 10))
        for i in range(count)
    ]


def test_patches_of_the_tenth_where_the_map_is_largest_are_averaged_at_unit_length():
    tokens = AXES[0].expand(5, 5, 4).clone()  # 25 patches: a tenth, rounded up, is 3
    tokens[0, 0] = 100 * AXES[1]  # long tokens do not count for more
    tokens[2, 3] = AXES[1] + 0.1 * AXES[2]
    tokens[4, 4] = AXES[1] + 0.1 * AXES[3]
    tokens[1, 1] = 0.2 * AXES[1] + AXES[0]
    picked = selected_patches(view([[0, 2.0, 0, 0]], tokens))
    assert picked.shape == (1, 1, 4)
    side = 0.1 / 1.01**0.5
    expected = torch.tensor([0, 1 + 2 / 1.01**0.5, side, side])
    torch.testing.assert_close(picked[0, 0], expected / expected.norm())


def test_thirty_patches_give_three_and_one_gives_one():
    # 0.1 * 30 is a little more than 3 in floating point.
    tokens = torch.cat([AXES[1].expand(1, 3, 4), AXES[0].expand(1, 27, 4)], dim=1)
    torch.testing.assert_close(selected_patches(view([[0, 1.0, 0, 0]], tokens))[0, 0], AXES[1])
    torch.testing.assert_close(selected_patches(view([[0, 1.0, 0, 0]], 3 * AXES[2].view(1, 1, 4)))[0, 0], AXES[2])


def test_terms_are_ranked_by_cosine_and_relative_to_the_vocabularys_mean():
    tokens = AXES[3].expand(2, 5, 4).clone()
    tokens[1, 2] = 2 * AXES[1] + AXES[3]
    observations = observe(lambda *_: view([[3.0, 4, 0, 0], [0, 0.1, 0, 0]], tokens), samples(3))
    explanation = explain(observations, terms=TERMS, term_embeddings=AXES)
    near = explanation.nearest("embedding", 0, 3)
    assert [item.term for item in near] == ["north", "east", "up"]
    assert [item.cosine for item in near] == pytest.approx([0.8, 0.6, 0])
    assert [item.relative for item in near] == pytest.approx([0.45, 0.25, -0.35])
    patches = explanation.nearest("patches", 1, 99)
    assert [item.term for item in patches][:2] == ["north", "later"] and len(patches) == 4
    assert [item.cosine for item in patches][:2] == pytest.approx([2 / 5**0.5, 1 / 5**0.5])
    assert explanation.unit_similarity[0, 1] == pytest.approx(0.8)
    assert explanation.alike() == []


def test_scores_are_means_over_images_and_units_that_agree_are_named():
    directions = iter(AXES[:2])

    def look(lq, gt):
        direction = next(directions)
        return view(torch.stack([direction, direction, AXES[2]]), (direction + AXES[2]).expand(2, 2, 4))

    explanation = explain(observe(look, samples(2)), terms=TERMS, term_embeddings=AXES)
    assert explanation.cosines["embedding"][0] == pytest.approx([0.5, 0.5, 0, 0])
    assert explanation.cosine_deviations["embedding"][0] == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0])
    assert explanation.alike() == [(0, 1)]
    assert explanation.map_means == pytest.approx(np.full((2, 3), 0.5**0.5))
    assert explanation.map_spreads == pytest.approx(np.zeros((2, 3)), abs=1e-7)
    assert explanation.by_class.names == ("a", "b")


def test_map_statistics_are_those_of_the_maps():
    tokens = torch.stack([AXES[0], AXES[1], AXES[1], AXES[1]]).view(2, 2, 4)
    observations = observe(lambda *_: view([[1.0, 0, 0, 0]], tokens), samples(1))
    assert observations.map_means.item() == pytest.approx(0.25)
    assert observations.map_spreads.item() == pytest.approx(0.1875**0.5)


def test_term_embeddings_are_the_mean_of_their_sentences_at_unit_length():
    table = {"a x": AXES[0], "b x": AXES[1], "a y": AXES[2], "b y": AXES[2]}
    embedded = embed_terms(lambda texts: torch.stack([table[text] for text in texts]), [["a x", "b x"], ["a y", "b y"]])
    torch.testing.assert_close(embedded, torch.stack([(AXES[0] + AXES[1]) / 2**0.5, AXES[2]]))


def test_no_image_and_values_that_are_not_finite_are_errors():
    with pytest.raises(DataError, match="no image to explain"):
        observe(lambda *_: None, [])
    broken = view([[1.0, 0, 0, 0]], torch.full((2, 2, 4), float("nan")))
    with pytest.raises(DataError, match="im0: the guide gives NaN or infinity"):
        observe(lambda *_: broken, samples(2))


def test_a_guides_view_holds_what_its_maps_are_made_of():
    guide = SemanticGuide(config=SemanticsConfig(**TINY_SEMANTICS), unit_channels=[5, 7], scale=4).eval()
    lq = torch.rand(1, 3, 13, 9)
    seen = guide.view(lq)
    assert torch.equal(seen.maps, guide(lq))
    torch.testing.assert_close(seen.embeddings, guide.localization(seen.global_feature))
    assert seen.local_features.shape == (1, 32, 7, 5) and seen.embeddings.shape == (1, 2, 32)
    observations = observe(guide.view, [Sample(name="a", class_name="", lq=lq[0])])
    assert observations.vectors["patches"].shape == (1, 2, 32)
    assert np.linalg.norm(observations.vectors["patches"], axis=-1) == pytest.approx(np.ones((1, 2)))


def test_words_beside_an_embedding_are_changed_as_the_tokens_are_that_it_is_compared_with():
    """An embedding that looks for what is north of the mean finds it, though words have the east in common."""
    embeddings = [[0.0, 1, 0, 0]]
    tokens = torch.tensor([[[5.0, 1, 0, 0], [5, 0, 1, 0]]])
    terms = torch.nn.functional.normalize(torch.tensor([[9.0, 2, 1, 0], [9, -1, 4, 0], [9, 0, -4, 0]]), dim=-1)
    observations = observe(lambda *_: view(embeddings, tokens), samples(1))
    plain = explain(observations, terms=TERMS[:3], term_embeddings=terms)
    scale = torch.diag(torch.tensor([1.0, 3.0, 0.0, 1.0]))
    changed = explain(
        observations, terms=TERMS[:3], term_embeddings=terms, turn=lambda differences: differences @ scale
    )
    expected = torch.nn.functional.normalize((terms - terms.mean(0)) @ scale, dim=-1)[:, 1]
    assert changed.cosines["embedding"][0] == pytest.approx(expected.numpy(), abs=1e-6)
    assert changed.cosines["embedding"][0, 0] > 0.9 > 0.3 > plain.cosines["embedding"][0].max()
    assert (changed.cosines["patches"] == plain.cosines["patches"]).all()
    assert changed.unit_similarity == pytest.approx(plain.unit_similarity)


def test_an_oracle_is_shown_the_hr_images():
    config = SemanticsConfig(**TINY_SEMANTICS, maps="oracle")
    guide = SemanticGuide(config=config, unit_channels=[5, 7], scale=4).eval()
    lq, gt = torch.rand(3, 8, 8), torch.rand(3, 32, 32)
    found = observe(guide.view, [Sample(name="a", class_name="", lq=lq, gt=gt)])
    expected = guide.view(lq[None], gt[None]).maps[0].mean((1, 2)).detach().numpy()
    assert found.map_means[0] == pytest.approx(expected, abs=1e-6)
