import pytest

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.vocabulary import (
    DEFAULT_FILE,
    DEFAULT_TEMPLATES,
    build_vocabulary,
    read_terms,
    words_of_class,
)

UC_MERCED = (
    "agricultural airplane baseballdiamond beach buildings chaparral denseresidential forest freeway golfcourse harbor "
    "intersection mediumresidential mobilehomepark overpass parkinglot river runway sparseresidential storagetanks "
    "tenniscourt"
)
AID = (
    "Airport BareLand BaseballField Beach Bridge Center Church Commercial DenseResidential Desert Farmland Forest "
    "Industrial Meadow MediumResidential Mountain Park Parking Playground Pond Port RailwayStation Resort River School "
    "SparseResidential Square Stadium StorageTanks Viaduct"
)


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def test_the_default_holds_the_classes_of_both_data_sets_once():
    vocabulary = build_vocabulary(path=None)
    assert build_vocabulary(path=None, class_names=[*UC_MERCED.split(), *AID.split()]) == vocabulary
    assert len(UC_MERCED.split()) == 21 and len(AID.split()) == 30
    assert {"dense residential area", "water", "asphalt"} <= set(vocabulary.terms)
    assert vocabulary.templates == DEFAULT_TEMPLATES


def test_classes_of_the_data_are_added_in_words():
    vocabulary = build_vocabulary(path=None, class_names=["WindTurbine", "wind_turbine", "oil-platform", ""])
    assert set(vocabulary.terms[-2:]) == {"wind turbine", "oil platform"}
    assert len(vocabulary.terms) == len(build_vocabulary(path=None).terms) + 2
    assert "2 classes of the data" in vocabulary.source
    assert words_of_class("BareLand") == "bare land" and words_of_class("Center") == "city center"


def test_a_file_is_taken_as_it_is(tmp_path):
    path = write(tmp_path / "terms.txt", "\ufeff# mine\n\n  red   roofs \nWald\r\nforêt\n")
    vocabulary = build_vocabulary(path=path, templates=["{} from above"], class_names=["river"])
    assert vocabulary.terms == ("red roofs", "Wald", "forêt") and vocabulary.source == str(path)
    assert vocabulary.sentences("Wald") == ["Wald from above"]


def test_the_digest_tells_terms_templates_and_their_order(tmp_path):
    path = write(tmp_path / "terms.txt", "a\nb\n")
    first = build_vocabulary(path=path)
    assert first.digest == build_vocabulary(path=path).digest and len(first.digest) == 64
    assert first.digest != build_vocabulary(path=path, templates=["{}"]).digest
    assert first.digest != build_vocabulary(path=write(tmp_path / "terms.txt", "b\na\n")).digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "terms.txt: cannot be read as a vocabulary .No such file"),
        (b"", "terms.txt holds no term"),
        (b"# only\n\n", "terms.txt holds no term"),
        (b"Sea  ice\nroad\nsea ice\n", "terms.txt, line 3: 'sea ice' stands in line 1 already"),
        (b"road\n\xff\xfe\x00", "terms.txt: .*neither UTF-8 nor UTF-16 .*save it as UTF-8"),
        (b"road\n\x00\x01\n", "terms.txt, line 2: holds characters that are not text"),
    ],
)
def test_files_that_are_no_vocabulary(tmp_path, content, message):
    path = tmp_path / "terms.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"--vocabulary: .*{message}"):
        read_terms(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_vocabularies_of_other_editors_are_read(tmp_path, encoding):
    path = tmp_path / "terms.txt"
    path.write_bytes("forêt\r\nplage\r\n".encode(encoding))
    assert read_terms(path) == ("forêt", "plage")


def test_a_folder_is_no_vocabulary(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_terms(tmp_path)


def test_one_term_and_templates_without_a_place_for_it_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="1 term is no vocabulary"):
        build_vocabulary(path=write(tmp_path / "terms.txt", "river\n"))
    for template in ("a photo", "{} and {}"):
        with pytest.raises(ConfigError, match="must contain {} exactly once"):
            build_vocabulary(path=None, templates=[template])


def test_the_default_file_is_readable_as_a_users():
    assert build_vocabulary(path=DEFAULT_FILE).terms == build_vocabulary(path=None).terms
