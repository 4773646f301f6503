import numpy as np
import pytest

from edgecat.scores import metrics

# Values below are worked out by hand to this many places.
PLACES = 1e-9
# Published tables give four places.
TABLE_PLACES = 5e-5


def logits(*rows):
    return np.array(rows, np.float32)


def answers(predicted, num_classes=3):
    return np.eye(num_classes, dtype=np.float32)[list(predicted)]


def targets(*numbers):
    return np.array(numbers, np.int64)


def test_softmax_of_known_logits():
    got = metrics.softmax(logits([0, np.log(2), np.log(5)], [1, 1, 1]))
    assert got.dtype == np.float64
    # float32 holds log(2) to 7 digits.
    assert got == pytest.approx(np.array([[1 / 8, 2 / 8, 5 / 8], [1 / 3] * 3]), abs=1e-7)


def test_softmax_neither_overflows_nor_loses_its_sum():
    got = metrics.softmax(logits([1e4, -1e4, 9.9e3], [-3e38, 3e38, 0]))
    assert np.isfinite(got).all()
    assert got.sum(axis=1) == pytest.approx([1, 1], abs=PLACES)


def test_a_temperature_divides_the_logits_and_keeps_the_order():
    plain, warm = (metrics.softmax(logits([4, 2, 0]), t)[0] for t in (1.0, 2.0))
    assert warm == pytest.approx(metrics.softmax(logits([2, 1, 0]))[0], abs=PLACES)
    assert warm.max() < plain.max()
    assert list(warm.argsort()) == list(plain.argsort())


def test_divergence_of_known_probabilities():
    even, uneven = logits([0, 0]), logits([np.log(3), 0])
    # 1/2 log(1/2 / 3/4) + 1/2 log(1/2 / 1/4); float32 holds log(3) to 7 digits.
    assert metrics.divergence_nats(even, uneven) == pytest.approx(np.log(4 / 3) / 2, abs=1e-7)
    assert metrics.divergence_nats(uneven, uneven + 5) == pytest.approx(0, abs=1e-7)
    assert metrics.divergence_nats(logits([0, 0], [0, 0]), logits([0, 0], [np.log(3), 0])) == (
        pytest.approx(np.log(4 / 3) / 4, abs=1e-7)
    )


def test_divergence_of_what_is_taken_for_impossible_is_finite():
    # Nothing is less likely than 1e-300.
    expected = 150 * np.log(10) - np.log(2)
    assert metrics.divergence_nats(logits([0, 0]), logits([0, 1e5])) == pytest.approx(expected)
    assert metrics.divergence_nats(np.empty((0, 3), np.float32), np.empty((0, 3), np.float32)) == 0


def test_top1_and_agreement():
    first, second = answers([0, 1, 2, 2]), answers([0, 1, 1, 2])
    assert metrics.top1_ratio(first, targets(0, 0, 2, 2)) == 0.75
    assert metrics.agreement_ratio(first, second) == 0.75
    assert metrics.agreement_ratio(first, first) == 1.0


def test_scores_of_no_photos():
    none = np.empty((0, 3), np.float32)
    assert metrics.top1_ratio(none, targets()) == 0.0
    assert metrics.agreement_ratio(none, none) == 1.0
    assert metrics.wilson_interval(0, 0) == (0.0, 1.0)
    assert metrics.paired_interval_pp(0, 0, 0) == (-100.0, 100.0)
    assert metrics.macro_f1_ratio(metrics.confusion_matrix(targets(), targets(), 3)) == 0.0


# Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17
# (1998), table I, method 3 (Wilson's score without continuity correction).
WILSON = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0000, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("num_right", "num_images", "low", "high"), WILSON)
def test_wilsons_interval_is_the_published_one(num_right, num_images, low, high):
    assert metrics.wilson_interval(num_right, num_images) == pytest.approx(
        (low, high), abs=TABLE_PLACES
    )


@pytest.mark.parametrize("num_images", [1, 7, 500])
def test_wilsons_interval_holds_the_share_stays_in_0_to_1_and_mirrors(num_images):
    for num_right in range(num_images + 1):
        low, high = metrics.wilson_interval(num_right, num_images)
        assert 0 <= low <= num_right / num_images + PLACES
        assert num_right / num_images - PLACES <= high <= 1
        mirrored = metrics.wilson_interval(num_images - num_right, num_images)
        assert mirrored == pytest.approx((1 - high, 1 - low), abs=PLACES)


def test_wilsons_interval_narrows_with_more_photos():
    widths = [high - low for low, high in (metrics.wilson_interval(n // 2, n) for n in (10, 100))]
    assert widths[0] > widths[1]


def test_a_confusion_matrix_has_the_truth_in_its_rows():
    got = metrics.confusion_matrix(targets(1, 1, 2, 0), targets(0, 1, 2, 0), 4)
    assert got.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


MACRO_F1 = {
    # recall 1, 1/2; precision 2/3, 1: F1 4/5, 2/3.
    "two classes": ([[2, 0], [1, 1]], (4 / 5 + 2 / 3) / 2),
    "all right": ([[5, 0], [0, 1]], 1.0),
    "all wrong": ([[0, 5], [1, 0]], 0.0),
    # The second class has no photos: it does not count, though one answer names it.
    "class without photos": ([[3, 1], [0, 0]], 2 * 0.75 / 1.75),
    "class never answered": ([[2, 0], [2, 0]], (2 / 3 + 0) / 2),
    "one class, all right": ([[4, 0], [0, 0]], 1.0),
}


@pytest.mark.parametrize(("confusion", "wanted"), MACRO_F1.values(), ids=MACRO_F1)
def test_macro_f1(confusion, wanted):
    assert metrics.macro_f1_ratio(np.array(confusion)) == pytest.approx(wanted, abs=PLACES)


def test_recall_and_precision_are_0_where_undefined():
    recall, precision = metrics.recall_and_precision(np.array([[2, 2, 0], [0, 1, 0], [0, 0, 0]]))
    assert recall.tolist() == [0.5, 1.0, 0.0]
    assert precision == pytest.approx([1.0, 1 / 3, 0.0], abs=PLACES)


def test_a_paired_interval_by_hand():
    # (21 - 11) / 102 +- 1.96 sqrt((32 / 102 - (10 / 102)^2) / 102), in points.
    assert metrics.paired_interval_pp(20, 10, 100) == pytest.approx((-0.90, 20.51), abs=0.01)


def test_few_photos_prove_little_though_none_is_lost():
    assert metrics.paired_interval_pp(0, 0, 6)[1] > 20
    assert metrics.paired_interval_pp(0, 0, 285)[1] < 1


def test_a_gain_is_a_negative_drop():
    low, high = metrics.paired_interval_pp(0, 50, 50)
    assert low == -100.0
    assert high < -80


@pytest.mark.parametrize(
    ("num", "lost", "gained"), [(200, 0.10, 0.05), (60, 0.02, 0.02), (285, 0.01, 0.002)]
)
def test_a_paired_interval_covers_the_true_drop_as_often_as_it_says(num, lost, gained):
    """2,000 experiments: 95 %, less 4 standard errors of 0.5 points."""
    rng = np.random.default_rng(1)
    counts = rng.multinomial(num, (lost, gained, 1 - lost - gained), size=2000)
    ends = [metrics.paired_interval_pp(int(one), int(other), num) for one, other, _ in counts]
    covered = [low <= 100 * (lost - gained) <= high for low, high in ends]
    assert np.mean(covered) >= 0.93


@pytest.mark.parametrize(
    ("num_lost", "num_gained", "expected"),
    # By hand: two-sided sign test. 5 against 0: 2 / 32; 6 against 1: 2 * 8 / 128.
    [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 0.0625), (0, 5, 0.0625), (6, 1, 0.125), (4, 4, 1.0)],
)
def test_mcnemar_is_an_exact_sign_test(num_lost, num_gained, expected):
    assert metrics.mcnemar_p(num_lost, num_gained) == pytest.approx(expected)


def logits_of(*probabilities):
    return np.log(np.array(probabilities, np.float32))


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    logits = logits_of([0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.8, 0.2])
    right, all_right = np.array([0, 0, 0, 0, 1]), np.zeros(5, np.int64)
    assert metrics.calibration_error_ratio(logits, right) == pytest.approx(0, abs=1e-6)
    assert metrics.calibration_error_ratio(logits, all_right) == pytest.approx(0.2)
    assert metrics.calibration_error_ratio(logits, all_right + 1) == pytest.approx(0.8)
    assert metrics.calibration_error_ratio(logits[:0], right[:0]) == 0


def test_gaps_of_different_bins_do_not_cancel():
    logits = logits_of([0.9, 0.1], [0.6, 0.4])
    targets = np.array([1, 0])
    assert metrics.calibration_error_ratio(logits, targets) == pytest.approx((0.9 + 0.4) / 2)


def test_flips_are_counted_by_the_true_class():
    reference = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2]]
    other = np.eye(3, dtype=np.float32)[[1, 0, 1, 2, 0]]
    flips = metrics.count_flips(reference, other, np.array([0, 0, 0, 0, 2]))
    assert flips.tolist() == [[1, 0], [0, 0], [1, 0]]
    assert metrics.count_flips(other, reference, np.array([0, 0, 0, 0, 2])).tolist() == [
        [0, 1],
        [0, 0],
        [0, 1],
    ]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_fitted_temperature_is_the_one_that_the_answers_were_drawn_with(temperature):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2 * temperature, (20_000, 5)).astype(np.float32)
    chances = metrics.softmax(logits, temperature)
    targets = (chances.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1)
    assert metrics.fit_temperature(logits, targets) == pytest.approx(temperature, rel=0.05)


def test_a_temperature_of_nothing_is_1_and_of_perfect_answers_finite():
    assert metrics.fit_temperature(np.zeros((0, 3), np.float32), np.zeros(0, np.int64)) == 1
    sure = metrics.fit_temperature(np.eye(3, dtype=np.float32), np.arange(3))
    assert 0.04 < sure < 0.06


@pytest.mark.parametrize(
    ("num_right", "num_images", "words"),
    [
        (3, 3, "43.9 to 100.0 % (95 % interval; 3 of 3 photos right, 100.0 %)"),
        (246, 285, "81.8 to 89.8 % (95 % interval; 246 of 285 photos right, 86.3 %)"),
        (0, 0, "not measured: no photos"),
    ],
)
def test_a_score_is_told_by_its_interval_first(num_right, num_images, words):
    assert metrics.describe_top1(num_right, num_images) == words


def test_classes_of_fewer_than_ten_photos_are_warned_of_fewest_first():
    warning = metrics.describe_small_classes({"Bengal": 9, "Bombay": 3, "Siamese": 10})
    assert warning.startswith("CAREFUL: fewer than 10 photos of Bombay (3), Bengal (9): ")
    assert metrics.describe_small_classes({"Siamese": 10}) == ""
    many = metrics.describe_small_classes({f"class {n:02}": 1 for n in range(30)})
    assert "class 07 (1) and 22 more" in many


@pytest.mark.parametrize(
    ("confusion", "ratio"),
    [
        ([[9, 0], [0, 1]], 1),
        ([[9, 0], [1, 0]], 0),  # one answer to all: 90 % right, and nothing known
        ([[0, 2], [2, 0]], -1),
        ([[3, 1, 0], [0, 4, 0], [1, 1, 2]], (0.75 + 1 + 0.5) / 2 - 0.5),  # (mean - 1/3) / (2/3)
        ([[3, 0, 1], [0, 0, 0], [2, 0, 2]], 0.25),  # a class without photos does not count
        ([[3, 0], [0, 0]], 1),
    ],
)
def test_adjusted_recall_is_0_for_guessing_and_1_for_perfect(confusion, ratio):
    assert metrics.adjusted_recall_ratio(np.array(confusion)) == pytest.approx(ratio)
