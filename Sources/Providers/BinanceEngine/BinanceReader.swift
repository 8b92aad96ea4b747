internal import EngineKit
internal import MarketModel
internal import Primitives

/// Reads the exchange's messages. One pass over the bytes, and no allocation for a trade.
struct BinanceReader: Sendable {
    enum Message: Sendable {
        case trade(BinanceTrade)
        /// Something beside trades, in `side`: it is larger than a trade, and much rarer.
        case side
        /// The answer to a request; the text is empty when it was accepted.
        case answer(id: UInt64, refusal: String)
        /// The server will end the connection.
        case shutdown
        case skipped(BinanceSkip)
    }

    /// The places of the paths in `JSONFieldReader`: of combined streams, and of plain ones.
    private static let paths = [
        "data.e", "data.s", "data.t", "data.p", "data.q", "data.T", "data.E",
        "e", "s", "t", "p", "q", "T", "E", "id", "result", "code", "msg", "error.msg",
    ]
    private static let plain = 7
    private static let answerID = 14

    private var fields = JSONFieldReader(Self.paths)
    private var sides = BinanceSideReader()
    /// What the last message beside trades was.
    private(set) var side = BinanceSideMessage.unfinished
    /// The exchange's time in the last message; undefined: it had none.
    private(set) var serverTime = Timestamp.undefined

    /// The book of the last message about one.
    var book: BinanceBook { sides.book }

    /// Reads a message.
    mutating func read(
        _ bytes: RawSpan, received: Timestamp, _ feeds: BinanceFeedPlaces
    ) -> Message {
        serverTime = .undefined
        guard fields.read(bytes) == nil else { return .skipped(.malformed) }
        let base = fields[0].kind == .absent ? Self.plain : 0
        let event = fields[base]
        if event.isText("trade", in: bytes) {
            return trade(bytes, base, received, feeds.trades)
        }
        guard event.kind == .absent else {
            if event.isText("kline", in: bytes) {
                noteServerTime(bytes, base)
                side = sides.bar(bytes, feeds)
                return .side
            }
            if event.isText("serverShutdown", in: bytes) { return .shutdown }
            return .skipped(event.isText("blockTrade", in: bytes) ? .block : .unknown)
        }
        if let answer = answer(bytes) { return answer }
        side = sides.nameless(bytes, feeds)
        return .side
    }

    private mutating func noteServerTime(_ bytes: RawSpan, _ base: Int) {
        if let sent = fields[base + 6].uint64(in: bytes), let sent = Self.time(sent) {
            serverTime = sent.time
        }
    }

    private mutating func trade(
        _ bytes: RawSpan, _ base: Int, _ received: Timestamp, _ feeds: NamePlaces
    ) -> Message {
        let symbol = fields[base + 1]
        guard symbol.kind == .text, !symbol.hasEscapes,
            let id = fields[base + 2].uint64(in: bytes),
            let stamp = fields[base + 5].uint64(in: bytes),
            let time = Self.time(stamp)
        else { return .skipped(.fields) }
        noteServerTime(bytes, base)
        guard let feed = feeds.find(bytes.extracting(symbol.start..<symbol.end)) else {
            return .skipped(.stray)
        }
        var trade = BinanceTrade()
        trade.feed = feed
        trade.id = id
        (trade.time, trade.resolution) = time
        trade.received = received
        do throws(FixedPoint.ParseError) {
            trade.price = Price(
                raw: try fields[base + 3].decimal(in: bytes, decimals: Price.decimals))
            trade.size = Quantity(
                raw: try fields[base + 4].decimal(in: bytes, decimals: Quantity.decimals))
        } catch {
            guard error != .notANumber else { return .skipped(.fields) }
            let price = fields[base + 3].text(in: bytes, bytesMax: FixedPoint.textBytesMax)
            let size = fields[base + 4].text(in: bytes, bytesMax: FixedPoint.textBytesMax)
            trade.misfit = "price \(price ?? "?"), size \(size ?? "?")"
        }
        return .trade(trade)
    }

    /// Returns the time of a stamp in milliseconds or microseconds; `nil` when it is neither. A
    /// stamp of microseconds has been above every one of milliseconds since 1973.
    static func time(
        _ stamp: UInt64
    ) -> (time: Timestamp, resolution: TimeResolution)? {
        if stamp < 100_000_000_000_000 {
            guard let value = Int64(exactly: stamp), value <= 9_000_000_000_000 else { return nil }
            return (Timestamp(nanoseconds: value * 1_000_000), .millisecond)
        }
        guard let value = Int64(exactly: stamp), value <= 9_000_000_000_000_000 else { return nil }
        return (Timestamp(nanoseconds: value * 1_000), .microsecond)
    }

    /// Returns the answer to a request; `nil`: it is none.
    private func answer(_ bytes: RawSpan) -> Message? {
        let isRefusal =
            fields[Self.answerID + 2].kind != .absent
            || fields[Self.answerID + 4].kind != .absent
        // A refusal of what the server could not read has no id.
        let id = fields[Self.answerID].uint64(in: bytes)
        guard id != nil || isRefusal else { return nil }
        guard isRefusal else { return .answer(id: id ?? 0, refusal: "") }
        let text =
            fields[Self.answerID + 3].text(in: bytes, bytesMax: 256)
            ?? fields[Self.answerID + 4].text(in: bytes, bytesMax: 256) ?? ""
        return .answer(id: id ?? 0, refusal: text.isEmpty ? "no reason given" : text)
    }
}
