import BinanceEngine
import EngineKit
import MarketModel
import Primitives

/// Trades of some symbols as the exchange sends them, with dense ids, a line each.
struct BinanceMessages: MeasuredFeed {
    struct Machine {
        var engine: BinanceEngine
        var out: StreamMachine.Output
    }

    static let name = "trades"
    static let title = "Binance, a trade in a message"
    private static let symbolCount = 100
    private static let begun: Int64 = 1_700_000_000_000

    private let symbols: [String]
    private(set) var bytes: [UInt8] = []
    private var ranges: [Range<Int>] = []

    init(count messages: Int) {
        symbols = (0..<Self.symbolCount).map { "COIN\($0)USDT" }
        var random = SeededRandom(seed: 1)
        var ids = [UInt64](repeating: 4_000_000_000, count: symbols.count)
        ranges.reserveCapacity(messages)
        for number in 0..<messages {
            let symbol = Int.random(in: symbols.indices, using: &random)
            ids[symbol] += 1
            let stamp = Self.begun + Int64(number) / 50
            let cents = Int.random(in: 10...99, using: &random)
            let digits = Int.random(in: 10_000...99_999, using: &random)
            let start = bytes.count
            bytes += Array(
                ("{\"stream\":\"\(symbols[symbol].lowercased())@trade\",\"data\":{\"e\":\"trade\","
                    + "\"E\":\(stamp + 1),\"s\":\"\(symbols[symbol])\",\"t\":\(ids[symbol]),"
                    + "\"p\":\"67\(digits % 1_000).\(cents)000000\",\"q\":\"0.\(digits)000\","
                    + "\"T\":\(stamp),\"m\":\(digits % 2 == 0),\"M\":true}}").utf8)
            ranges.append(start..<bytes.count)
            bytes.append(UInt8(ascii: "\n"))
        }
    }

    private var now: Moment {
        Moment(
            wall: Timestamp(nanoseconds: Self.begun * 1_000_000),
            monotonic: MonotonicTime(nanoseconds: 1))
    }

    var instruments: [Instrument] {
        symbols.map { name in
            guard let symbol = Symbol(name) else { preconditionFailure("no symbol: \(name)") }
            return Instrument(
                symbol: symbol, contract: Instrument.Contract(.crypto), feeds: .trades)
        }
    }

    /// Returns an engine whose connection is open.
    func connected() -> Machine {
        var engine = BinanceEngine(BinanceSettings(seed: 1))
        var out = StreamMachine.Output()
        let begun = instruments.enumerated().map { number, instrument in
            BegunInstrument(
                number: UInt32(number), instrument: instrument, reached: .undefined)
        }
        engine.follow(begun: begun, ended: [], now, into: &out)
        engine.timePassed(now, into: &out)
        engine.opened(1, now, into: &out)
        engine.timePassed(now, into: &out)
        Array("{\"result\":null,\"id\":1}".utf8).withRawSpan {
            engine.received($0, isText: true, on: 1, now, into: &out)
        }
        out = StreamMachine.Output()
        out.records.reserveCapacity(1_024)
        return Machine(engine: engine, out: out)
    }

    func drive(_ machine: inout Machine, perTurn: Int) -> Int {
        let now = now
        var count = 0
        bytes.withRawSpan { all in
            for (number, range) in ranges.enumerated() {
                machine.engine.received(
                    all.extracting(range), isText: true, on: 1, now, into: &machine.out)
                guard number % perTurn == perTurn - 1 else { continue }
                machine.engine.drained(now, into: &machine.out)
                count += machine.out.records.count
                machine.out.records.removeAll(keepingCapacity: true)
            }
        }
        // An id that was left out would not show in the count.
        return machine.engine.counters.ids.missing == 0 ? count + machine.out.records.count : -1
    }
}
