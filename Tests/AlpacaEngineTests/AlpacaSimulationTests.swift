import EngineKit
import HistoryTestSupport
import MarketModel
import Primitives
import Seeds
import Testing

@testable import AlpacaEngine

/// A service that cuts, goes dead, errs, changes trades and reports late, from seeds; and gateways
/// that are killed.
@Suite struct AlpacaSimulationTests {
    @Test(
        "each trade is there once, or lies in a gap; each change names its trade",
        arguments: Seeds(fixed: 0...59).all())
    func service(seed: UInt64) {
        var world = AlpacaWorld(.trades, .trade, seed: seed)
        for _ in 0..<4_000 { world.step() }
        world.end()
        expectOnceOrInGap(world, seed)
    }

    @Test(
        "so it is where the past fills gaps, and some are",
        arguments: Seeds(fixed: 0...59, failed: [3_158_570_435_017_911_711]).all())
    func filling(seed: UInt64) {
        var world = AlpacaWorld(.trades, .trade, seed: seed, fills: true)
        for _ in 0..<6_000 { world.step() }
        world.end()
        expectOnceOrInGap(world, seed)
        let filled = world.onTape.contains { record in
            guard case .gap(let gap) = record else { return false }
            return gap.state == GapState.filled.rawValue
        }
        #expect(filled, "TAPELINE_SEED=\(seed): no gap was filled")
    }

    @Test(
        "each bar is there as it was made last, or lies in a gap",
        arguments: Seeds(fixed: 0...39).all())
    func bars(seed: UInt64) throws {
        var world = AlpacaWorld(.bars, .providerBar, seed: seed)
        for _ in 0..<4_000 { world.step() }
        world.end()
        let records = world.onTape
        let begun = records.compactMap { record -> Timestamp? in
            guard case .subscription(let subscription) = record else { return nil }
            return subscription.header.receiveTime
        }
        let first = try #require(begun.first)
        var revised = 0
        for symbol in 0..<3 as Range<UInt32> {
            let bars = records.compactMap { record -> ProviderBar? in
                guard case .providerBar(let bar) = record, bar.header.symbol == symbol else {
                    return nil
                }
                return bar
            }
            revised += bars.count { $0.flags.contains(.revised) }
            let last = Dictionary(bars.map { ($0.openTime, $0.volume) }) { $1 }
            let missing = Self.missing(symbol, records)
            for bar in world.madeBars where bar.symbol == symbol && bar.start >= first {
                let isThere = last[bar.start] == Int128(bar.number) * 100_000_000
                let end = bar.start.advanced(byNanoseconds: 60_000_000_000)
                #expect(
                    isThere || missing.contains { $0.from < end && bar.start < $0.to },
                    "TAPELINE_SEED=\(seed): \(symbol) \(bar.start) is in no gap")
            }
        }
        #expect(revised > 10, "TAPELINE_SEED=\(seed): hardly anything came")
    }

    /// The stretches of a symbol's gaps. One without an end reaches up to the next record.
    private static func missing(
        _ symbol: UInt32, _ records: [TapeRecord]
    ) -> [(from: Timestamp, to: Timestamp)] {
        let gaps = records.compactMap { record -> GapRecord? in
            guard case .gap(let gap) = record, gap.header.symbol == symbol else { return nil }
            return gap
        }
        return gaps.enumerated().map { place, gap in
            let end = place == gaps.count - 1 ? Timestamp.undefined : gap.header.receiveTime
            return (gap.from, gap.to.isDefined ? gap.to : end)
        }.map { ($0.0, $0.1.isDefined ? $0.1 : Timestamp(nanoseconds: .max)) }
    }

    /// What tells a trade from all others: off the exchanges, its number does not.
    private struct Key: Hashable {
        var number: UInt64
        var size: UInt64

        init(_ trade: Trade) {
            number = trade.header.providerID
            size = UInt64(trade.size.raw / 100_000_000)
        }

        init(_ trade: AlpacaHappened) {
            number = AlpacaSimulationTests.number(trade)
            size = trade.size
        }
    }

    /// Expects each trade once on the tape, or in a gap, and no other trades.
    private func expectOnceOrInGap(_ world: AlpacaWorld, _ seed: UInt64) {
        let records = world.onTape
        var count = 0
        for symbol in 0..<3 as Range<UInt32> {
            let all = records.compactMap { record -> Trade? in
                guard case .trade(let trade) = record, trade.header.symbol == symbol else {
                    return nil
                }
                return trade
            }
            let trades = all.filter { $0.header.action == 0 }
            count += trades.count
            let there = trades.map { Key($0) }
            #expect(Set(there).count == there.count, "TAPELINE_SEED=\(seed): twice")
            let truth = world.happened.filter { $0.symbol == symbol }
            let keys = Set(truth.map { Key($0) })
            #expect(keys.isSuperset(of: there), "TAPELINE_SEED=\(seed): invented")
            let gaps = records.compactMap { record -> GapRecord? in
                guard case .gap(let gap) = record, gap.header.symbol == symbol else { return nil }
                return gap
            }
            let missing = gaps.ofMissing
            let first = trades.first?.header.receiveTime ?? .undefined
            let known = Set(there)
            for trade in truth
            where trade.reported >= first && !known.contains(Key(trade))
                // Reported while nobody listened, and from before.
                && trade.reported == trade.time
            {
                #expect(
                    missing.haveMissing(trade.time),
                    "TAPELINE_SEED=\(seed): \(symbol) \(trade.id) is in no gap")
            }
            // A gap in which nothing is missing has a beginning and an end.
            #expect(!gaps.contains { $0.to.isDefined && $0.to <= $0.from }, "TAPELINE_SEED=\(seed)")
            checkChanges(all, truth.filter { world.changed.contains($0) }, known, seed)
        }
        #expect(count > 500, "TAPELINE_SEED=\(seed): hardly anything came")
    }

    /// Each change has the time of a trade that was changed. `changed`: those of the symbol.
    private func checkChanges(
        _ all: [Trade], _ changed: [AlpacaHappened], _ known: Set<Key>, _ seed: UInt64
    ) {
        let byNumber = Dictionary(grouping: changed) { Self.number($0) }
        for change in all where change.header.action != 0 {
            let isCancel = change.header.action == TradeAction.cancel.rawValue
            let trades = (byNumber[change.header.providerID] ?? []).filter {
                !isCancel || Key($0) == Key(change)
            }
            guard !trades.isEmpty else {
                Issue.record("TAPELINE_SEED=\(seed): a change names no trade")
                continue
            }
            // One of an earlier process is not known to this one.
            let time = change.header.providerTime
            guard trades.contains(where: { known.contains(Key($0)) }),
                !trades.contains(where: { $0.time == time })
            else { continue }
            #expect(
                trades.contains { time > $0.time }, "TAPELINE_SEED=\(seed): another trade's time")
        }
    }

    private static func number(_ trade: AlpacaHappened) -> UInt64 {
        AlpacaNumber.number(
            exchange: trade.exchange.utf8.first ?? 0, day: TradeNumber.day(of: trade.time),
            id: trade.id,
            content: TradeNumber.content(
                Price(raw: 126_550_000_000), Quantity(raw: Int64(trade.size) * 100_000_000)))
    }
}
