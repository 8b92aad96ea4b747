internal import MarketModel
internal import Primitives

/// Reads the exchange's messages. One pass over the bytes, and no allocation for a trade.
struct BinanceReader: Sendable {
    enum Message: Sendable {
        case trade(BinanceTrade)
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
    /// The exchange's time in the last message; undefined: it had none.
    private(set) var serverTime = Timestamp.undefined

    /// Reads a message. `find` returns the feed of a symbol.
    mutating func read(
        _ bytes: RawSpan, received: Timestamp, _ feeds: BinanceSymbols
    ) -> Message {
        serverTime = .undefined
        guard fields.read(bytes) == nil else { return .skipped(.malformed) }
        let base = fields[0].kind == .absent ? Self.plain : 0
        let event = fields[base]
        if event.isText("trade", in: bytes) {
            return trade(bytes, base, received, feeds)
        }
        guard event.kind == .absent else {
            if event.isText("serverShutdown", in: bytes) { return .shutdown }
            return .skipped(event.isText("blockTrade", in: bytes) ? .block : .unknown)
        }
        return answer(bytes)
    }

    private mutating func trade(
        _ bytes: RawSpan, _ base: Int, _ received: Timestamp, _ feeds: BinanceSymbols
    ) -> Message {
        let symbol = fields[base + 1]
        guard symbol.kind == .text, !symbol.hasEscapes,
            let id = fields[base + 2].uint64(in: bytes),
            let stamp = fields[base + 5].uint64(in: bytes),
            let time = Self.time(stamp)
        else { return .skipped(.fields) }
        if let sent = fields[base + 6].uint64(in: bytes), let sent = Self.time(sent) {
            serverTime = sent.time
        }
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

    private func answer(_ bytes: RawSpan) -> Message {
        let isRefusal =
            fields[Self.answerID + 2].kind != .absent
            || fields[Self.answerID + 4].kind != .absent
        // A refusal of what the server could not read has no id.
        let id = fields[Self.answerID].uint64(in: bytes)
        guard id != nil || isRefusal else { return .skipped(.unknown) }
        guard isRefusal else { return .answer(id: id ?? 0, refusal: "") }
        let text =
            fields[Self.answerID + 3].text(in: bytes, bytesMax: 256)
            ?? fields[Self.answerID + 4].text(in: bytes, bytesMax: 256) ?? ""
        return .answer(id: id ?? 0, refusal: text.isEmpty ? "no reason given" : text)
    }
}

/// The feeds by the exchange's symbols: looked up by the bytes of a message, without a copy.
struct BinanceSymbols: Sendable {
    /// Feeds by place; -1: free. At most half of them are taken.
    private var places = [Int32](repeating: -1, count: 64)
    private var names: [[UInt8]] = []

    /// Adds a name, which is new. Its feed has the next number.
    mutating func add(_ name: String) {
        names.append(Array(name.utf8))
        if names.count * 2 > places.count {
            places = [Int32](repeating: -1, count: places.count * 2)
            for feed in names.indices { put(feed) }
        } else {
            put(names.count - 1)
        }
    }

    private mutating func put(_ feed: Int) {
        var place = names[feed].withRawSpan { Self.hash($0) } & (places.count - 1)
        while places[place] >= 0 { place = (place + 1) & (places.count - 1) }
        places[place] = Int32(feed)
    }

    func find(_ name: RawSpan) -> Int? {
        var place = Self.hash(name) & (places.count - 1)
        while places[place] >= 0 {
            let feed = Int(places[place])
            if isSame(names[feed], name) { return feed }
            place = (place + 1) & (places.count - 1)
        }
        return nil
    }

    func find(_ name: String) -> Int? { Array(name.utf8).withRawSpan { find($0) } }

    private func isSame(_ known: [UInt8], _ name: RawSpan) -> Bool {
        guard known.count == name.byteCount else { return false }
        for place in known.indices where known[place] != name.uint8(at: place) { return false }
        return true
    }

    private static func hash(_ name: RawSpan) -> Int {
        var hash: UInt32 = 2_166_136_261
        for place in 0..<name.byteCount {
            hash = (hash ^ UInt32(name.uint8(at: place))) &* 16_777_619
        }
        return Int(hash ^ hash >> 15)
    }
}
