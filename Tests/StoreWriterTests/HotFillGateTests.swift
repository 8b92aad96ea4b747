import HotState
import MarketModel
import Primitives
import Testing

@testable import StoreWriter

@Suite("When values of the database are read for the hot state")
struct HotFillGateTests {
    private typealias Turn = (ends: Bool, read: UInt64, stored: UInt64)

    /// Returns the index of the turn in which values are to be read; `nil` when in none.
    private func opened(_ turns: [Turn]) -> Int? {
        var gate = HotFillGate.closed
        var found: [Int] = []
        for (index, turn) in turns.enumerated() {
            let inputs = [
                HotFillGate.Input(isAtEnd: true, read: 0, stored: 0),
                HotFillGate.Input(isAtEnd: turn.ends, read: turn.read, stored: turn.stored),
            ]
            if gate.follow(inputs) { found.append(index) }
        }
        #expect(found.count < 2)
        return found.first
    }

    @Test("an empty tape, and one that is stored up to its end, need no wait")
    func immediately() {
        #expect(opened([(true, 0, 0), (true, 0, 0)]) == 0)
        #expect(opened([(true, 9, 9), (true, 10, 9)]) == 0)
    }

    @Test("what was read on the way to the end is stored first; what comes later is no matter")
    func stored() {
        #expect(
            opened([
                (false, 5, 5), (true, 90, 60), (true, 99, 89), (true, 99, 90), (true, 99, 99),
            ]) == 3)
        // The end is where the reader first was there, also if it falls behind again.
        #expect(opened([(true, 90, 60), (false, 200, 90)]) == 1)
    }

    @Test("rows that do not keep up are waited for: older ones could stay")
    func behind() {
        #expect(opened([(false, 5, 5), (false, 6, 6), (false, 90, 90)]) == nil)
        #expect(opened([(true, 9, 5), (true, 99, 8), (true, 999, 9)]) == 2)
    }

    @Test("of orders those of owned partitions are carried out, each once")
    func orders() {
        let orders = HotFillOrders()
        for partition in [1, 2, 2, 3] { orders.add(partition) }
        orders.remove(3)
        #expect(orders.count == 2)
        #expect(orders.begin() == [1, 2])
        orders.add(4)
        orders.remove(1)
        #expect(orders.present == [2] && orders.count == 2)
        orders.end()
        #expect(orders.begin() == [4])
        orders.end()
        #expect(orders.count == 0)
    }
}

@Suite("Rows of the database as values of the hot state")
struct HotFillRowTests {
    private let place: [String?] = ["3", "5", "77", "AAPL", "test"]

    private func time(_ nanoseconds: Int64) -> Timestamp { Timestamp(nanoseconds: nanoseconds) }

    @Test("where a row belongs, and rows of which that cannot be read")
    func places() throws {
        let found = try #require(HotFillRow(columns: place).place)
        #expect(found.partition == Partition(3) && found.symbol.text == "AAPL")
        #expect(found.source.text == "test")
        #expect(found.order == HotOrder(streamCreated: time(5), sequence: 77))
        for (column, text) in [
            (0, nil), (0, "-1"), (0, "4096"), (1, nil), (2, "-7"), (3, ""), (4, "A B"),
        ] as [(Int, String?)] {
            var damaged = place
            damaged[column] = text
            #expect(HotFillRow(columns: damaged).place == nil, "\(column) \(text ?? "NULL")")
        }
    }

    @Test("trades and quotes, exact, with what is NULL undefined")
    func ticks() throws {
        let trade = try HotFillRow(columns: place + ["7", "8", "8", "1.000000001", "-0.5", "ARCA"])
            .value(.trades)
        guard case .trade(let trade)? = trade else { throw Unexpected() }
        #expect(trade.price.raw == 1_000_000_001 && trade.size.raw == -50_000_000)
        #expect(trade.header.eventTime == time(7) && trade.header.receiveTime == time(8))
        #expect(trade.exchange == ShortText("ARCA") && trade.header.flags == .delayed)
        let quote = try HotFillRow(columns: place + [nil, "8", "0", nil, nil, "2", "3", "", "X"])
            .value(.quotes)
        guard case .quote(let quote)? = quote else { throw Unexpected() }
        #expect(!quote.bidPrice.isDefined && !quote.bidSize.isDefined)
        #expect(quote.askPrice.raw == 2_000_000_000 && quote.askSize.raw == 300_000_000)
        #expect(quote.header.eventTime == time(8) && quote.askExchange == ShortText("X"))
        #expect(quote.header.flags == [])
        #expect(throws: FixedPoint.ParseError.tooPrecise) {
            try HotFillRow(columns: place + ["7", "8", "0", "1.0000000001", "1", ""]).value(.trades)
        }
    }

    private let bar: [String?] = [
        "1m", "60", "120", "4", "1", "2", "0.5", nil, "92233720368547758080.5", "1.5", "17", "t",
    ]

    @Test("bars, with volumes beyond 64 bits")
    func bars() throws {
        guard
            case .bar(let found, let series)? = try HotFillRow(columns: place + bar)
                .value(.shortBars)
        else { throw Unexpected() }
        #expect(series.text == "1m" && found.number == 4 && found.trades == 17)
        #expect(found.openTime == time(60) && found.closeTime == time(120))
        #expect(found.high.raw == 2_000_000_000 && !found.close.isDefined)
        #expect(found.volume == 9_223_372_036_854_775_808_050_000_000)
        #expect(found.flags == .partial)
        for column in [0, 3, 10] {
            var damaged = bar
            damaged[column] = column == 10 ? "-1" : nil
            let row = HotFillRow(columns: place + damaged)
            let value = try row.value(.longBars)
            #expect(value == nil)
        }
    }

    @Test("provider's bars, with and without what a provider may leave out")
    func providerBars() throws {
        let full: [String?] = [
            "9", "1", "6", "5", "1", "2", "3", "4", "2.5", "7", "8", "1", "8",
        ]
        guard
            case .providerBar(let bar)? = try HotFillRow(columns: place + full)
                .value(.providerBars)
        else { throw Unexpected() }
        #expect(bar.openTime == time(1) && bar.closeTime == time(6))
        #expect(bar.header.receiveTime == time(9) && bar.kind == ProviderBarKind.bidAsk.rawValue)
        #expect(bar.volume == 700_000_000 && bar.trades == 8 && bar.flags == .inProgress)
        #expect(bar.header.flags == .delayed)
        let bare: [String?] = ["9", "1", "6", nil, nil, nil, nil, nil, nil, nil, nil, "0", nil]
        guard
            case .providerBar(let bar)? = try HotFillRow(columns: place + bare)
                .value(.providerBars)
        else { throw Unexpected() }
        #expect(bar.kind == 0 && !bar.open.isDefined && bar.flags == [])
        #expect(
            bar.volume == ProviderBar.undefinedVolume && bar.trades == ProviderBar.undefinedCount)
    }

    @Test("the last change of a book, and a row without its ordinal")
    func books() throws {
        guard
            case .depth(let header)? = try HotFillRow(
                columns: place + ["7", "8", "8", "99", "s"]
            ).value(.books)
        else { throw Unexpected() }
        #expect(header.flags == .delayed && header.receiveTime == time(8))
        for text in [nil, "-1", "x"] {
            let value = try HotFillRow(columns: place + ["7", "8", "8", text, "s"]).value(.books)
            #expect(value == nil)
        }
    }

    @Test("where a tick was on the tape; a bar's row does not say it")
    func tapePlace() throws {
        let columns = place + ["7", "8", "0", "1.5", "1", "", "99", "manual"]
        let lane = try #require(SourceName("manual"))
        #expect(
            HotFillRow(columns: columns).tapePlace(.trades)
                == HotFillPlace(lane: lane, ordinal: 99))
        #expect(HotFillRow(columns: columns).tapePlace(.shortBars) == nil)
        #expect(HotFillRow(columns: place + ["7", "NOT A SOURCE"]).tapePlace(.trades) == nil)
    }

    private struct Unexpected: Error {}
}
