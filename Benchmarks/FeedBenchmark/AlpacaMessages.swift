import AlpacaEngine
import EngineKit
import MarketModel
import Primitives

/// Trades of some stocks as Alpaca sends them, a few in a frame, a frame in a line.
struct AlpacaMessages: MeasuredFeed {
    struct Machine {
        var engine: AlpacaEngine
        var out: StreamMachine.Output
    }

    static let name = "stocks"
    static let title = "Alpaca, four trades in a frame"
    private static let symbolCount = 100
    private static let perFrame = 4
    /// 2026-02-23T15:00:00Z.
    private static let begun = Timestamp(nanoseconds: 1_771_858_800_000_000_000)

    private let symbols: [String]
    private(set) var bytes: [UInt8] = []
    private var ranges: [Range<Int>] = []

    init(count messages: Int) {
        let letters = (0..<26).map { Character(Unicode.Scalar(UInt8(65 + $0))) }
        symbols = (0..<Self.symbolCount).map { "\(letters[$0 / 26])\(letters[$0 % 26])X" }
        var random = SeededRandom(seed: 1)
        var frame: [String] = []
        for number in 0..<messages {
            let symbol = symbols[Int.random(in: symbols.indices, using: &random)]
            let cents = Int.random(in: 10...99, using: &random)
            let exchange = letters[Int.random(in: letters.indices, using: &random)]
            let time = Self.begun.advanced(byNanoseconds: Int64(number) * 20_123)
            frame.append(
                "{\"T\":\"t\",\"S\":\"\(symbol)\",\"i\":\(52_983_525_000_000 + number),"
                    + "\"x\":\"\(exchange)\",\"p\":1\(cents).\(cents),\"s\":\(cents),"
                    + "\"c\":[\"@\",\"I\"],\"z\":\"C\",\"t\":\"\(time)\"}")
            guard frame.count == Self.perFrame || number == messages - 1 else { continue }
            let start = bytes.count
            bytes += Array("[\(frame.joined(separator: ","))]".utf8)
            ranges.append(start..<bytes.count)
            bytes.append(UInt8(ascii: "\n"))
            frame.removeAll()
        }
    }

    private var now: Moment {
        Moment(
            wall: Self.begun.advanced(byNanoseconds: 11_000_000_000),
            monotonic: MonotonicTime(nanoseconds: 1))
    }

    func connected() -> Machine {
        var engine = AlpacaEngine(AlpacaSettings(.sip, seed: 1))
        var out = StreamMachine.Output()
        let begun = symbols.enumerated().map { number, name in
            guard let symbol = Symbol(name) else { preconditionFailure("no symbol: \(name)") }
            return BegunInstrument(
                number: UInt32(number),
                instrument: Instrument(
                    symbol: symbol, contract: Instrument.Contract(.stock), feeds: .trades),
                reached: .undefined)
        }
        engine.follow(begun: begun, ended: [], now, into: &out)
        engine.timePassed(now, into: &out)
        engine.opened(1, now, into: &out)
        let names = symbols.map { "\"\($0)\"" }.joined(separator: ",")
        for text in [
            #"[{"T":"success","msg":"connected"}]"#, #"[{"T":"success","msg":"authenticated"}]"#,
            "[{\"T\":\"subscription\",\"trades\":[\(names)]}]",
        ] {
            Array(text.utf8).withRawSpan {
                engine.received($0, isText: true, on: 1, now, into: &out)
            }
            engine.timePassed(now, into: &out)
        }
        out = StreamMachine.Output()
        out.records.reserveCapacity(1_024)
        return Machine(engine: engine, out: out)
    }

    func drive(_ machine: inout Machine, perTurn: Int) -> Int {
        let now = now
        let frames = max(1, perTurn / Self.perFrame)
        var count = 0
        bytes.withRawSpan { all in
            for (number, range) in ranges.enumerated() {
                machine.engine.received(
                    all.extracting(range), isText: true, on: 1, now, into: &machine.out)
                guard number % frames == frames - 1 else { continue }
                machine.engine.drained(now, into: &machine.out)
                count += machine.out.records.count
                machine.out.records.removeAll(keepingCapacity: true)
            }
        }
        return count + machine.out.records.count
    }
}
