import Primitives
import Testing

@testable import MassiveSimulator

@Suite("The messages of the simulated Massive")
struct WireTests {
    private let symbols = ["MSFT"].compactMap { MassiveSymbol($0) }
    private let time = Timestamp(nanoseconds: 1_536_036_818_784_123_000)

    private var market: MassiveMarket {
        MassiveMarket(symbols: symbols, seed: 1, rate: 10, rarities: MassiveRarities())
    }

    private func trade(size: Int64, conditions: [Int], facility: Int? = nil) -> MassiveTrade {
        MassiveTrade(
            symbol: 0, isLate: false, number: 1, reported: time,
            happened: time.advanced(byNanoseconds: -2_000_000), exchange: 4, facility: facility,
            id: 12_345, price: 1_141_250, size: size, conditions: conditions)
    }

    private func text(_ what: MassiveRecord.What) -> String {
        MassiveMessages.text(of: MassiveRecord(time: time, what: what), in: market)
    }

    @Test("a trade has the members of the documented sample; the size is cut, the text is exact")
    func trades() {
        #expect(
            text(.trade(trade(size: 100_500_000, conditions: [14, 41])))
                == #"{"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":100,"#
                + #""ds":"100.5","c":[14,41],"t":1536036818784,"pt":1536036818782,"#
                + #""q":172037568246}"#)
        #expect(
            text(.trade(trade(size: 250_000, conditions: [], facility: 202)))
                == #"{"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":0,"#
                + #""ds":"0.25","t":1536036818784,"pt":1536036818782,"q":172037568246,"#
                + #""trfi":202,"trft":1536036818784}"#)
    }

    @Test("a quote has the members of the documented sample")
    func quotes() {
        let quote = MassiveQuote(
            symbol: 0, reported: time, happened: time, bidExchange: 4, askExchange: 7,
            bid: 1_141_250, ask: 1_141_280, bidSize: 100, askSize: 160, hasIndicator: true)
        #expect(
            text(.quote(quote))
                == #"{"ev":"Q","sym":"MSFT","bx":4,"bp":114.125,"bs":100,"ax":7,"ap":114.128,"#
                + #""as":160,"c":1,"i":[604],"t":1536036818784,"pt":1536036818784,"#
                + #""q":86018784123,"z":3}"#)
    }

    @Test("a bar has the members of the documented sample, in any order of its trades")
    func bars() {
        let start = Timestamp(nanoseconds: 1_536_036_780_000_000_000)
        let first = trade(size: 100_000_000, conditions: [])
        let second = MassiveTrade(
            symbol: 0, isLate: true, number: 1, reported: time,
            happened: time.advanced(byNanoseconds: -9_000_000_000), exchange: 4, facility: 201,
            id: 1, price: 1_141_000, size: 100_000_000, conditions: [])
        var bar = MassiveBar(symbol: 0, start: start)
        var other = bar
        #expect(bar.isEmpty)
        for each in [first, second] { bar.add(each) }
        for each in [second, first] { other.add(each) }
        #expect(bar == other && bar.open == 1_141_000 && bar.close == 1_141_250)
        // An odd lot counts for the volume alone.
        bar.add(trade(size: 500_000, conditions: [37]))
        var totals = MassiveTotals(day: start)
        totals.add(first)
        #expect(
            text(.minute(bar, totals))
                == #"{"ev":"AM","sym":"MSFT","v":200,"dv":"200.5","av":100,"dav":"100","#
                + #""op":114.125,"vw":114.112531,"o":114.1,"c":114.125,"h":114.125,"l":114.1,"#
                + #""a":114.125,"z":66,"s":1536036780000,"e":1536036840000}"#)
    }

    @Test("names that are no symbols", arguments: ["", "aapl", "A B", "9A", "A/B", "A*"])
    func symbols(_ name: String) { #expect(MassiveSymbol(name) == nil) }

    @Test("names that are symbols", arguments: ["A", "BRK.B", "BACpA"])
    func goodSymbols(_ name: String) { #expect(MassiveSymbol(name)?.name == name) }

    @Test("a cursor is read as it was written, and has no signs that an address would change")
    func cursors() throws {
        for length in 0..<40 {
            let value = String(repeating: "~?>", count: length)
            let cursor = MassiveCursor.encode([("a", value)])
            #expect(MassiveCursor.decode(cursor) == Array("a=\(value)".utf8))
            #expect(!cursor.contains { "+/=".contains($0) })
        }
        #expect(MassiveCursor.decode("!") == nil)
    }
}
