"""Tests of the model in Benchmarks/scale; ScriptTests runs it."""

import dataclasses
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Benchmarks/scale"))
from costs import FEATURES, Load, Run, busy_factor, cores, fit, least_squares, runs, unseen  # noqa: E402
from cuts import CUT, PLANNED, memory, nats_bytes, plan, tape_bytes, use  # noqa: E402

COSTS = fit(runs())


class Rates(unittest.TestCase):
    def test_few_ticks_have_a_packet_each_and_many_share_those_of_the_aim(self):
        few, many = Load(10, 96, aim="frugal"), Load(100_000, 10_000, aim="frugal")
        self.assertAlmostEqual(few.packets, 10, delta=0.1)
        self.assertAlmostEqual(many.packets, 12 * 8, delta=1)
        self.assertLessEqual(Load(1e6, 10_000, partitions=1_024).packets, 2_000)

    def test_quick_sends_a_packet_of_each_partition_in_a_cycle(self):
        # Measured: 1,145 and 802 with 8 partitions, 1,516 with 32 (docs/performance.md).
        for ticks, partitions, packets in ((50_000, 8, 1_145), (1_000, 8, 802), (50_000, 32, 1_516)):
            self.assertAlmostEqual(Load(ticks, 96, partitions).packets / packets, 1, delta=0.03)

    def test_each_source_has_packets_of_its_own(self):
        one = Load(100_000, 10_000)
        two = dataclasses.replace(one, sources=2)
        self.assertAlmostEqual(two.packets, 2 * one.packets, delta=20)

    def test_a_window_has_a_bar_if_its_symbol_traded(self):
        self.assertAlmostEqual(Load(1e6, 10, series="1s").bars, 10, delta=1e-6)
        self.assertAlmostEqual(Load(4, 1_000, series="1s").bars, 1, delta=0.01)
        self.assertAlmostEqual(Load(1e6, 60, series="1m").bars, 1, delta=1e-6)


class Fit(unittest.TestCase):
    def test_costs_of_made_up_runs_are_found_again(self):
        true = {part: {name: 1e-5 * (place + 1) for place, name in enumerate(names)}
                for part, names in FEATURES.items()}
        loads = [Load(ticks, symbols, partitions, series, aim, workers)
                 for ticks in (10, 1_000, 30_000) for symbols in (5, 200) for partitions in (8, 64)
                 for series in ("1s", "1s,5s,1m") for aim, workers in (("quick", 2), ("frugal", 5))]
        made = [Run("", "", "fit", load, None, cores(true, load)) for load in loads]
        found = fit(made)
        for load in loads:
            predicted, wanted = cores(found, load), cores(true, load)
            for part, value in wanted.items():
                self.assertAlmostEqual(predicted[part] / value, 1, delta=0.02)

    def test_no_cost_is_below_nothing(self):
        self.assertEqual(least_squares([[1, 1], [1, 2], [1, 3]])[1], 0)

    def test_the_runs_that_it_was_not_fitted_to_are_within_a_fifth(self):
        busy = busy_factor(COSTS, runs())
        for use, factor in (("check", 1.0), ("busy", busy)):
            # What `quick` sends follows the disk, which others used on the busy machine.
            checked = [
                run for run in unseen(runs(), use) if use == "check" or run.load.aim == "frugal"]
            self.assertGreaterEqual(len({run.load for run in checked}), 3)
            for run in checked:
                predicted = factor * sum(run.predicted(COSTS).values())
                self.assertLess(abs(predicted / run.total - 1), 0.2, run.name)


class Cuts(unittest.TestCase):
    def test_a_plan_uses_no_bound_above_its_share(self):
        for factor in (1, 10, 100, 1_000):
            made = plan(COSTS, "", Load(2_000 * factor, 100 * factor, aim="frugal"))
            taken = use(COSTS, made.each)
            self.assertTrue(all(taken[name] <= PLANNED for name in CUT), taken)
            self.assertLessEqual(taken["the core of one gateway"], PLANNED)
            self.assertGreaterEqual(made.stacks * made.each.ticks, 2_000 * factor * 0.999)

    def test_a_plan_has_no_more_stacks_than_it_needs(self):
        made = plan(COSTS, "", Load(200_000, 10_000, aim="frugal"))
        fewer = dataclasses.replace(made.each, ticks=200_000 / (made.stacks - 1))
        self.assertTrue(any(use(COSTS, fewer)[name] > PLANNED for name in CUT))

    def test_copies_go_out_of_the_leader_and_into_others(self):
        load = Load(1_000, 96)
        one, three = nats_bytes(load), nats_bytes(load, copies=3)
        for before, after in zip(one, three):
            self.assertAlmostEqual(after - before, 2 * tape_bytes(load))


    def test_workers_share_the_memory_of_partitions(self):
        two, four = memory(Load(1, 96, partitions=512)), memory(Load(1, 96, partitions=512, workers=4))
        self.assertAlmostEqual(two["operator-worker"], 256, delta=5)
        self.assertLess(four["operator-worker"], two["operator-worker"])
        self.assertEqual(four["store-writer"], two["store-writer"])


if __name__ == "__main__":
    unittest.main()
