import Testing

@testable import IBSimulator

/// Bytes written by hand from the description of the protocol.
@Suite("Messages as they stand on the wire")
struct GoldenMessageTests {
    private func text(_ message: ServerMessage) -> String {
        var bytes: [UInt8] = []
        message.appendFrame(to: &bytes)
        return String(decoding: bytes.dropFirst(4), as: UTF8.self)
            .replacing("\0", with: "|")
    }

    private let writer = MessageWriter(serverVersion: 187)

    @Test("a frame is a length of four bytes and fields that end with NUL")
    func frame() {
        var bytes: [UInt8] = []
        writer.currentTime(seconds: 5).appendFrame(to: &bytes)
        #expect(bytes == [0, 0, 0, 7, 0x34, 0x39, 0, 0x31, 0, 0x35, 0])
    }

    @Test("the answer to a greeting has two fields and no number")
    func greeting() {
        var bytes: [UInt8] = []
        ServerMessage.appendGreeting(version: 176, time: "20260105 09:30:00 EST", to: &bytes)
        #expect(bytes == [0, 0, 0, 26] + Array("176\020260105 09:30:00 EST\0".utf8))
    }

    @Test("errors have a field more from version 166 on, and escapes for what is not ASCII")
    func errors() {
        let old = MessageWriter(serverVersion: 165)
        #expect(text(old.error(-1, code: 2_104, "OK")) == "4|2|-1|2104|OK|")
        #expect(text(writer.error(7, code: 200, "né")) == "4|2|7|200|n\\u00e9||")
        #expect(MessageWriter.escaped("😀") == "\\ud83d\\ude00")
    }

    @Test("level 1")
    func level1() {
        #expect(
            text(writer.tickPrice(9, type: 1, price: "150.25", size: "100", mask: 3))
                == "1|6|9|1|150.25|100|3|")
        #expect(text(writer.tickSize(9, type: 8, size: "12345")) == "2|6|9|8|12345|")
        #expect(text(writer.tickGeneric(9, type: 49, value: "0")) == "45|6|9|49|0|")
        #expect(
            text(writer.tickString(9, type: 48, text: "1;2;3;4;5;true"))
                == "46|6|9|48|1;2;3;4;5;true|")
        #expect(
            text(writer.tickOptionComputation(9, type: 13, OptionNumbers()))
                == "21|9|13|1|-1|-2|-1|-1|-2|-2|-2|-1|")
        #expect(text(writer.snapshotEnd(9)) == "57|1|9|")
        #expect(text(writer.marketDataType(9, 3)) == "58|1|9|3|")
        #expect(
            text(writer.tickRequestParameters(9, minTick: "0.01", exchangeKey: "a", permissions: 3))
                == "81|9|0.01|a|3|")
        #expect(
            text(writer.tickEFP(9, type: 38, ["1", "1%", "2", "3", "20261218", "0.5", "0.6"]))
                == "47|6|9|38|1|1%|2|3|20261218|0.5|0.6|")
        #expect(
            text(writer.reroute(9, isDepth: true, conID: 5, exchange: "NYSE"))
                == "92|9|5|NYSE|")
    }

    @Test("tick by tick, with the bits of a live quote: 1 past low, 2 past high")
    func tickByTick() {
        let trade = TradeTexts(price: "1.5", size: "10", exchange: "ARCA", conditions: "T", mask: 2)
        #expect(
            text(writer.tickByTickTrade(3, isAll: true, second: 60, trade))
                == "99|3|2|60|1.5|10|2|ARCA|T|")
        let quote = QuoteTexts(bid: "1", ask: "2", bidSize: "3", askSize: "4")
        #expect(
            text(writer.tickByTickQuote(3, second: 60, quote, isPastLow: true, isPastHigh: false))
                == "99|3|3|60|1|2|3|4|1|")
        #expect(text(writer.tickByTickMidpoint(3, second: 60, price: "1.5")) == "99|3|4|60|1.5|")
    }

    @Test("quotes of the past have their bits the other way round: 1 past high, 2 past low")
    func pastQuotes() {
        var past = MessageWriter.PastQuote(
            second: 60, quote: QuoteTexts(bid: "1", ask: "2", bidSize: "3", askSize: "4"))
        for (isPastHigh, isPastLow, mask) in [
            (false, false, 0), (true, false, 1), (false, true, 2), (true, true, 3),
        ] {
            (past.isPastHigh, past.isPastLow) = (isPastHigh, isPastLow)
            let found = text(writer.historicalQuotes(3, [past], isLast: true))
            #expect(found == "97|3|1|60|\(mask)|1|2|3|4|1|")
        }
    }

    @Test("the three kinds of bars have three orders of fields")
    func bars() {
        let bar = BarTexts(
            open: "1", high: "4", low: "0.5", close: "2", volume: "10", average: "1.7",
            count: "3")
        let dated = MessageWriter.DatedBar(date: "20260105", bar: bar)
        #expect(text(writer.realTimeBar(3, second: 60, bar)) == "50|3|3|60|1|4|0.5|2|10|1.7|3|")
        #expect(
            text(writer.historicalData(3, start: "a", end: "b", [dated]))
                == "17|3|a|b|1|20260105|1|4|0.5|2|10|1.7|3|")
        #expect(text(writer.historicalDataUpdate(3, dated)) == "90|3|3|20260105|1|2|4|0.5|1.7|10|")
    }

    @Test("depth with and without market makers")
    func depth() {
        var change = DepthChange(
            row: 2, operation: .update, isBid: true, price: "1.5", size: "10", isSmart: false)
        #expect(text(writer.depth(3, change)) == "12|1|3|2|1|1|1.5|10|")
        change.maker = "ARCA"
        change.isSmart = true
        #expect(text(writer.depth(3, change)) == "13|1|3|2|ARCA|1|1|1.5|10|1|")
    }

    @Test(
        "contract details gain and lose fields by version",
        arguments: [(Int32(157), 41), (163, 42), (164, 42), (178, 42), (182, 43), (186, 44)])
    func details(version: Int32, count: Int) {
        let stock = InstrumentList.make(symbols: ["SPY"], others: false)[0]
        let message = MessageWriter(serverVersion: version)
            .contractDetails(4, stock, tradingHours: "")
        // The message's number, perhaps a version, the request, and the fields.
        let fields = text(message).split(separator: "|", omittingEmptySubsequences: false)
            .dropLast()
        #expect(fields.count == count)
        #expect(fields[0] == "10")
        #expect(fields[version < 164 ? 3 : 2] == "SPY")
    }
}
