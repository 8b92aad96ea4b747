import EngineKit
import MarketModel
import Primitives
import Seeds
import Testing

@testable import PolledEngine

/// A service whose values change, and whose answers fail, from a seed, and a gateway that is killed
/// at times. Each series changes at most once in a period, so an answer that was not missed shows
/// each change.
private struct World {
    struct Change {
        var series: String
        var at: Timestamp
        /// The date, or the second of a price.
        var period: Int64
        var value: Int64
    }

    static let every = 60 * PolledBench.second
    let table: PolledTable
    let names: [String]
    var random: SeededRandom
    var bench: PolledBench
    /// By series, period and value, as they are now.
    var present: [String: [Int64: Int64]] = [:]
    var truth: [Change] = []
    var nextChange: [String: Int64] = [:]
    var lastValue: Int64 = 0
    /// Until then no request succeeds.
    var downUntil: Int64 = 0
    /// Of each series, the times at which requests for its values failed.
    var failedAt: [Int64] = []
    var floor = Timestamp(nanoseconds: Int64.min)

    init(_ table: PolledTable, seed: UInt64) throws {
        self.table = table
        random = SeededRandom(seed: seed)
        names = table == .fred ? ["A", "B", "C"] : ["bitcoin", "ethereum"]
        bench = PolledBench(table) { $0.every = Self.every }
        for name in names {
            nextChange[name] = 0
            change(name)
        }
        begin(PolledBench(table) { $0.every = Self.every }, wasKilled: false)
    }

    mutating func change(_ name: String) {
        guard bench.elapsed >= nextChange[name] ?? 0 else { return }
        nextChange[name] =
            bench.elapsed + Self.every + 20 * PolledBench.second
            + Int64.random(in: 0...(90 * PolledBench.second), using: &random)
        lastValue += 1
        let known = present[name] ?? [:]
        let newest = known.keys.max() ?? 20_000
        var period = newest + 1
        if table == .fred, !known.isEmpty, Bool.random(using: &random) {
            period = newest - Int64.random(in: 0...min(3, newest - 20_001), using: &random)
        }
        if table == .coingecko { present[name] = [:] }
        present[name, default: [:]][period] = lastValue
        truth.append(
            Change(series: name, at: bench.now.wall, period: period, value: lastValue))
    }

    /// The answer of the service as it is now.
    func answer(_ request: PolledRequest) -> String {
        if request.path == "/fred/series" { return Answers.facts() }
        if table == .fred {
            let values = (present[request.series[0]] ?? [:]).sorted { $0.key < $1.key }
            return Answers.observations(
                values.suffix(10).map {
                    ("\(CivilDate(daysSinceEpoch: $0.key))", "\($0.value)")
                })
        }
        let coins = request.series.map { name in
            let last = present[name]?.max { $0.key < $1.key }
            return #""\#(name)":{"usd":\#(last?.value ?? 0),"last_updated_at":\#(last?.key ?? 0)}"#
        }
        return "{\(coins.joined(separator: ","))}"
    }

    mutating func step() {
        var request = bench.pass(
            Int64.random(in: 1...(2 * PolledBench.second), using: &random))
        if bench.out.floor.isDefined { floor = max(floor, bench.out.floor) }
        for name in names { change(name) }
        if let asked = request {
            request = nil
            serve(asked)
        }
        if Int.random(in: 0..<400, using: &random) == 0 { kill() }
    }

    mutating func serve(_ request: PolledRequest) {
        let text = answer(request)
        // What changes while the answer is under way is not in it.
        for _ in 0..<2 {
            bench.pass(Int64.random(in: 1...PolledBench.second, using: &random))
            for name in names { change(name) }
        }
        bench.pass(1)
        let isDown = bench.elapsed < downUntil
        let kind = Int.random(in: 0..<(isDown ? 4 : 10), using: &random)
        if !isDown, Int.random(in: 0..<6, using: &random) == 0 {
            downUntil =
                bench.elapsed
                + Int64.random(in: Self.every...(6 * Self.every), using: &random)
        }
        if kind < 4 { failedAt.append(bench.now.wall.nanoseconds) }
        switch kind {
        case 0: bench.end(request, .failed("no connection"))
        case 1: bench.answer(request, "no", status: 503)
        case 2: bench.answer(request, "{garbage")
        case 3:
            bench.answer(
                request, "", status: 429, retryAfter: Bool.random(using: &random) ? 0 : nil)
        default: bench.answer(request, text)
        }
    }

    /// Ends the engine without a word, and begins another one that knows what the tape has.
    mutating func kill() { begin(bench, wasKilled: true) }

    private mutating func begin(_ old: PolledBench, wasKilled: Bool) {
        bench = PolledBench(table, from: old) { $0.every = Self.every }
        let numbers = names.indices.map { UInt32($0) }
        let begun = numbers.map { number in
            PolledEngine.Begun(
                number: number, instrument: instrument(names[Int(number)]),
                reached: wasKilled ? bench.now.wall : .undefined, last: last(number))
        }
        bench.engine.follow(
            begun: begun, ended: [], gaps: wasKilled ? openGaps : [], bench.now,
            into: &bench.out)
        bench.keep()
    }

    private func instrument(_ name: String) -> Instrument {
        var contract = Instrument.Contract(.index)
        contract.currency = "USD"
        guard let symbol = Symbol(name) else { preconditionFailure("\(name) is a symbol") }
        return Instrument(symbol: symbol, contract: contract, feeds: .indicators)
    }

    private func last(_ number: UInt32) -> [PublishedValue] {
        var last: [Timestamp: PublishedValue] = [:]
        for value in bench.values where value.header.symbol == number {
            last[value.periodStart] = PublishedValue(
                instrument: number, periodStart: value.periodStart, value: value.value,
                revision: value.revision)
        }
        return Array(last.values.sorted { $0.periodStart < $1.periodStart }.suffix(16))
    }

    private var openGaps: [OpenGap] {
        names.indices.compactMap { number in
            let own = bench.gaps.filter { $0.header.symbol == number }
            guard let gap = own.last, !gap.to.isDefined else { return nil }
            return OpenGap(
                instrument: UInt32(number), kind: .indicator, from: gap.from, to: gap.to,
                reason: .disconnected)
        }
    }

    // MARK: what must be true

    func period(_ value: IndicatorValue) -> Int64 {
        value.periodStart.nanoseconds
            / (table == .fred ? 86_400 * PolledBench.second : PolledBench.second)
    }

    /// Returns what is wrong, in sentences.
    var problems: [String] {
        names.enumerated().flatMap { number, name -> [String] in
            var problems: [String] = []
            let found = bench.values.filter { $0.header.symbol == number }
            let gaps = bench.gaps.filter { $0.header.symbol == number }
            let ended = gaps.filter { $0.state != GapState.open.rawValue }
            for change in truth where change.series == name {
                let count = found.count {
                    period($0) == change.period
                        && $0.value == Int128(change.value) * 1_000_000_000
                }
                if count > 1 { problems.append("\(name) \(change.value) came \(count) times") }
                // What was there before the first answer is no news.
                guard count == 0, change.at > (found.first?.header.receiveTime ?? .undefined) else {
                    continue
                }
                let isNamed = gaps.contains {
                    $0.from <= change.at && (!$0.to.isDefined || change.at < $0.to)
                }
                if !isNamed { problems.append("\(name) \(change.value) is in no gap") }
            }
            for value in found {
                let isReal = truth.contains {
                    $0.series == name && $0.period == period(value)
                        && Int128($0.value) * 1_000_000_000 == value.value
                        && $0.at <= value.header.receiveTime
                }
                if !isReal { problems.append("\(name) \(value.value) is invented") }
            }
            for (period, values) in Dictionary(grouping: found, by: period) {
                let revisions = values.map(\.revision)
                if !zip(revisions, revisions.dropFirst()).allSatisfy({ $0 < $1 }) {
                    problems.append("\(name) \(period) has revisions \(revisions)")
                }
            }
            for gap in ended where !gap.to.isDefined || gap.from >= gap.to {
                problems.append("\(name) has a gap without an end")
            }
            let opened = gaps.count { !$0.to.isDefined }
            if opened > ended.count + 1 { problems.append("\(name) has \(opened) open gaps") }
            return problems
        }
    }
}

extension PolledBench {
    /// An engine with the clock and the records of another one.
    fileprivate init(
        _ table: PolledTable, from old: PolledBench, _ change: (inout PolledSettings) -> Void
    ) {
        self.init(table, change)
        records = old.records
        skip(to: old)
    }
}

@Suite("Polled services that fail")
struct PolledSimulationTests {
    @Test(
        "each change is there once or in a gap, and nothing is invented",
        arguments: Seeds(fixed: 1...24, failed: [1_685_533_318_738_197_293]).all())
    func seeds(_ seed: UInt64) throws {
        for table in [PolledTable.fred, .coingecko] {
            var world = try World(table, seed: seed)
            for _ in 0..<4_000 { world.step() }
            let problems = world.problems
            #expect(problems.isEmpty, "\(table) \(seed): \(problems.prefix(10))")
            #expect(world.bench.values.count > 10 && !world.failedAt.isEmpty)
            #expect(world.bench.values.allSatisfy { $0.header.receiveTime <= world.bench.now.wall })
        }
    }

    @Test("no answer traps the engine, whatever is in it")
    func fuzz() throws {
        var random = SeededRandom(seed: 11)
        let samples: [(PolledTable, [String])] = [
            (.fred, [Answers.facts(), Answers.observations([("2026-11-18", "4.11")])]),
            (.coingecko, [Answers.coin]), (.alternativeMe, [Answers.index]),
        ]
        for (table, texts) in samples {
            let name = table == .fred ? "DGS10" : table == .coingecko ? "bitcoin" : "fng"
            for _ in 0..<3_000 {
                var bench = PolledBench(table)
                try bench.begin(name)
                for text in texts {
                    let request = try bench.due()
                    var bytes = Array(text.utf8)
                    for _ in 0..<Int.random(in: 0...3, using: &random) {
                        Self.damage(&bytes, &random)
                    }
                    let status =
                        [200, 200, 200, 400, 429, 500].randomElement(using: &random) ?? 200
                    bench.end(request, .answer(status: status, body: bytes, retryAfter: nil))
                    guard bench.engine.series[0].facts != nil else { break }
                }
                #expect(bench.values.allSatisfy { $0.periodStart < $0.periodEnd })
                #expect(
                    bench.values.allSatisfy { $0.unit.utf8.count <= IndicatorValue.unitBytesMax })
            }
        }
    }

    private static func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
        guard !bytes.isEmpty else { return }
        let place = Int.random(in: bytes.indices, using: &random)
        let words = [
            "9999999999999999999999", "null", "{", "]", "\"", "-", "1e9", "\u{0}", "é", "[]",
        ]
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.removeSubrange(place...)
        case 2: bytes.remove(at: place)
        default:
            bytes.insert(contentsOf: (words.randomElement(using: &random) ?? "").utf8, at: place)
        }
    }
}
