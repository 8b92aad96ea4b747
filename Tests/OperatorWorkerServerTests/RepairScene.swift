import MarketModel
import Primitives
import ServiceTestSupport
import TapeCodec
import Testing

@testable import OperatorWorkerTests

/// Trades of one symbol on partition 0, ten a second, with later changes by people and providers.
struct RepairScene {
    static let start = TickFeed.start
    static let symbol = "A"

    let tape: TestTape
    var source: TestSource
    var people: TestSource
    private let index: UInt32
    private let peoplesIndex: UInt32

    init(_ tape: TestTape) throws {
        self.tape = tape
        let symbol = try #require(Symbol(Self.symbol))
        source = TestSource(tape, Partition(0), source: try #require(SourceName("test")))
        people = TestSource(tape, Partition(0), source: .manual)
        let definition = SymbolDefinition(
            symbol: symbol, provider: "test",
            since: Timestamp(nanoseconds: Self.start - 86_400_000_000_000))
        index = source.register(definition)
        peoplesIndex = people.register(
            SymbolDefinition(symbol: symbol, provider: "", since: .undefined))
    }

    /// The time of a tenth of a second since the start. All times of a test are such tenths.
    static func time(_ tenths: Int64) -> Timestamp {
        Timestamp(nanoseconds: start + tenths * 100_000_000)
    }

    /// Adds the trade of that tenth of a second. Its price is 100 plus the tenth.
    mutating func trade(
        _ tenth: Int64, price: Int64? = nil, action: TradeAction = .new, flags: TickFlags = []
    ) {
        let header = TickHeader(
            symbol: index, flags: flags, action: action.rawValue,
            resolution: TimeResolution.nanosecond.rawValue, providerTime: Self.time(tenth),
            receiveTime: Self.time(tenth), providerID: UInt64(tenth + 1))
        source.append(
            Trade(
                header: header, price: Price(raw: (price ?? 100 + tenth) * 1_000_000_000),
                size: Quantity(raw: 100_000_000)))
    }

    mutating func trades(_ tenths: Range<Int64>) { for tenth in tenths { trade(tenth) } }

    /// Records that a gap is filled.
    mutating func fillGap(_ from: Int64, _ to: Int64) {
        let gap = GapRecord(
            header: TickHeader(
                symbol: index, providerTime: .undefined, receiveTime: Self.time(to)),
            from: Self.time(from), to: Self.time(to), kind: .trade, reason: .disconnected,
            state: .filled)
        source.append { $0.append(gap) == .appended }
    }

    /// Adds a person's request to repair a range.
    mutating func requestRepair(_ from: Int64, _ to: Int64) {
        let request = RepairRequest(
            header: TickHeader(
                symbol: peoplesIndex, providerTime: .undefined, receiveTime: Self.time(to)),
            from: Self.time(from), to: Self.time(to), reason: .repair, requester: "test")
        people.append { $0.append(request) == .appended }
    }

    /// People publish without one.
    static let noWatermark = Timestamp(nanoseconds: Int64.min)
}
