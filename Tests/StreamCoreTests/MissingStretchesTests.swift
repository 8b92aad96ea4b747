import MarketModel
import Primitives
import Testing

@testable import StreamCore

@Suite("MissingStretches") struct MissingStretchesTests {
    private func change(
        _ from: Int64, _ to: Int64, isFilled: Bool = false, kind: DataKind = .trade
    ) -> MissingChange {
        MissingChange(symbol: 7, kind: kind, from: from, to: to, isFilled: isFilled)
    }

    private func stretches(_ missing: MissingStretches, _ kind: DataKind = .trade) -> [[Int64]] {
        let all = missing.bySymbol[7]
        let its = kind == .trade ? all?.trades : all?.quotes
        return (its?.stretches ?? []).map { [$0.from, $0.to] }
    }

    @Test("gaps are joined where they touch, and filled in parts")
    func parts() {
        var missing = MissingStretches()
        missing.apply(change(10, 20))
        missing.apply(change(30, 40))
        missing.apply(change(20, 25))
        #expect(stretches(missing) == [[10, 25], [30, 40]])
        missing.apply(change(12, 14, isFilled: true))
        missing.apply(change(24, 31, isFilled: true, kind: .any))
        #expect(stretches(missing) == [[10, 12], [14, 24], [31, 40]])
        missing.apply(change(0, 50, kind: .quote))
        missing.apply(change(0, 100, isFilled: true))
        #expect(stretches(missing).isEmpty)
        #expect(stretches(missing, .quote) == [[0, 50]])
        missing.apply(change(0, 100, isFilled: true, kind: .any))
        #expect(missing.isEmpty)
    }

    @Test("stretches are those of a line of moments, each with its last word", arguments: 1...30)
    func line(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var missing = MissingStretches()
        var moments = Array(repeating: false, count: 100)
        for _ in 0..<60 {
            let from = Int.random(in: 0..<99, using: &random)
            let to = Int.random(in: from + 1...min(from + 20, 100), using: &random)
            let isFilled = Bool.random(using: &random)
            missing.apply(change(Int64(from), Int64(to), isFilled: isFilled))
            for moment in from..<to { moments[moment] = !isFilled }
        }
        for from in 0..<99 {
            for to in from + 1...min(from + 12, 100) {
                #expect(
                    missing.touches(7, .trade, from: Int64(from), to: Int64(to))
                        == moments[from..<to].contains(true), "seed \(seed): \(from)..<\(to)")
            }
        }
    }

    @Test("records applied once more change nothing: a repair goes on from what the machine knows")
    func again() {
        var missing = MissingStretches()
        let records = [
            change(10, 20), change(12, 15, isFilled: true), change(14, 18), change(30, 35),
        ]
        for record in records { missing.apply(record) }
        var twice = missing
        for record in records[1...] { twice.apply(record) }
        #expect(twice == missing)
    }

    @Test("beyond the limit more counts as missing, and nothing less")
    func limit() {
        var missing = MissingStretches(max: 3)
        for start in [0, 10, 20, 30, 40] as [Int64] { missing.apply(change(start, start + 5)) }
        #expect(stretches(missing) == [[0, 25], [30, 35], [40, 45]])
        var starts = MissingStretches(max: 2)
        for start in [5, 15, 25] as [Int64] { starts.start(7, at: start) }
        #expect(starts.touches(7, .quote, from: 0, to: 6))
        #expect(starts.touches(7, .trade, from: 20, to: 30))
        #expect(!starts.touches(7, .trade, from: 15, to: 25))
    }

    @Test("what is long ago is forgotten, and the rest comes through its bytes")
    func bytes() throws {
        var missing = MissingStretches()
        missing.apply(change(10, 20))
        missing.apply(change(30, 40, kind: .any))
        missing.forget(7, before: 20)
        #expect(stretches(missing) == [[30, 40]])
        missing.apply(MissingChange(symbol: 2, kind: .quote, from: 1, to: 2, isFilled: false))
        let bytes = missing.state
        #expect(try bytes.read { try MissingStretches(restoring: $0, symbols: 8) } == missing)
        #expect(throws: CheckpointError.self) {
            try bytes.read { try MissingStretches(restoring: $0, symbols: 7) }
        }
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 1
            #expect(throws: CheckpointError.self) {
                try damaged.read { try MissingStretches(restoring: $0, symbols: 8) }
            }
        }
        missing.forget(2, before: 5)
        missing.forget(7, before: 50)
        #expect(missing.isEmpty)
    }
}

@Suite("RepairRanges") struct RepairRangesTests {
    @Test("answers are those of a walk over all ranges", arguments: 1...20)
    func walk(seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let ranges = (0..<30).map { _ in
            let from = Int64.random(in: 0..<100, using: &random)
            return DirtyRange(
                symbol: UInt32.random(in: 0..<6, using: &random) * 2, from: from,
                to: from + Int64.random(in: 0...15, using: &random),
                reason: UInt8.random(in: 0...4, using: &random))
        }
        let indexed = RepairRanges(ranges)
        let real = ranges.filter { $0.from < $0.to }
        #expect(indexed.symbols == Array(Set(real.map(\.symbol))).sorted())
        for symbol in 0..<14 as Range<UInt32> {
            let its = real.filter { $0.symbol == symbol }
            for time in 0..<120 as Range<Int64> {
                #expect(
                    indexed.holds(symbol, time) == its.contains { $0.from <= time && time < $0.to },
                    "seed \(seed)")
                let reason = its.filter { $0.from < time + 7 && $0.to > time }.map(\.reason).max()
                #expect(indexed.reason(symbol, from: time, to: time + 7) == reason, "seed \(seed)")
            }
        }
    }

    @Test("extents that touch are one, whatever their reasons")
    func extents() {
        let ranges = [
            DirtyRange(symbol: 1, from: 0, to: 5, reason: BarReason.bust.rawValue),
            DirtyRange(symbol: 1, from: 5, to: 9, reason: BarReason.gap.rawValue),
            DirtyRange(symbol: .max, from: 5, to: 9, reason: BarReason.gap.rawValue),
        ]
        let indexed = RepairRanges(extents: ranges)
        #expect(indexed.covers(1, from: 0, to: 9) && !indexed.covers(1, from: 0, to: 10))
        #expect(indexed.symbols == [1])
        #expect(RepairRanges(ranges).of(1).count == 2)
    }
}
