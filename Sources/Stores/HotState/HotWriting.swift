internal import MarketModel
package import Primitives
package import ValkeyClient

/// The commands of one round trip: the script calls that write a batch. They are in one buffer,
/// with no separate text per value.
package struct HotWriting {
    /// One script call.
    struct Call {
        let kind: HotKind
        /// The indices of its places among those of its kind in the batch.
        let range: Range<Int>
    }

    /// The encoded commands.
    package private(set) var commands = ValkeyCommands()
    /// The calls in the order of the commands.
    private(set) var calls: [Call] = []

    /// The beginning of the calls of each kind.
    private let trade: KeyHead
    private let quote: KeyHead
    private let bar: KeyHead

    /// The beginning of all keys of a kind, and the script that writes them.
    private struct KeyHead {
        let prefix: [UInt8]
        /// The server's name of the script.
        let digest: [UInt8]
        /// The number of words that a key has in a call.
        let words: Int

        init(_ kind: HotKind, _ name: String, _ namespace: String, _ digests: [HotKind: [UInt8]]) {
            prefix = Array("\(namespace):\(name):".utf8)
            digest = digests[kind] ?? []
            words = HotScripts.wordsPerKey(kind)
        }
    }

    package init(namespace: String, digests: [HotKind: [UInt8]]) {
        trade = KeyHead(.trade, "trade", namespace, digests)
        quote = KeyHead(.quote, "quote", namespace, digests)
        bar = KeyHead(.bar, "bar", namespace, digests)
    }

    /// Replaces the commands by the calls for a batch. `lifeNanoseconds` is how long a key lives,
    /// counted from its value's receipt.
    package mutating func write(
        _ batch: HotBatch, of table: HotTable, now: MonotonicTime, lifeNanoseconds: Int64
    ) {
        commands.removeAll()
        calls.removeAll(keepingCapacity: true)
        /// Appends a key's order and its life, or an empty word when the life was sent lately.
        func append<Record>(_ value: HotValues<Record>.Value, to commands: inout ValkeyCommands) {
            let isBar = Record.self == Bar.self
            commands.append { $0.append(value.origin.order, withWindow: isBar) }
            guard value.sendsLife else { return commands.append([]) }
            // The life is rounded up to at least a millisecond; the server would refuse 0.
            let left = lifeNanoseconds - (now - value.origin.receivedAt)
            commands.append(max(1, (left + 999_999) / 1_000_000))
        }
        let life = lifeNanoseconds / 1_000_000
        write(.trade, trade, batch.trades, table.symbols, life) { place, commands in
            guard let value = table.trades.value(place) else { return false }
            append(value, to: &commands)
            commands.append(fieldsOf: value)
            return true
        }
        write(.quote, quote, batch.quotes, table.symbols, life) { place, commands in
            guard let value = table.quotes.value(place) else { return false }
            append(value, to: &commands)
            commands.append(fieldsOf: value)
            return true
        }
        write(.bar, bar, batch.bars, table.barNames, life) { place, commands in
            guard let value = table.bars.value(place) else { return false }
            append(value, to: &commands)
            commands.append(fieldsOf: value)
            return true
        }
    }

    /// Appends the command that sets the marker with its life. Its answer is the old value: null if
    /// the marker was missing.
    mutating func append(marker: [UInt8], life: [UInt8]) {
        commands.begin(words: 6)
        commands.append("SET")
        commands.append(marker)
        commands.append("1")
        commands.append("PX")
        commands.append(life)
        commands.append("GET")
    }

    /// Writes a call for each `HotScripts.keysMax` places of one kind. No packet is taken between
    /// taking a batch from the table and writing it, so every place still has its value.
    private mutating func write(
        _ kind: HotKind, _ head: KeyHead, _ places: [HotNames.Place], _ names: HotNames,
        _ life: Int64, _ values: (HotNames.Place, inout ValkeyCommands) -> Bool
    ) {
        var start = 0
        while start < places.count {
            let range = start..<min(places.count, start + HotScripts.keysMax)
            commands.begin(words: 4 + range.count * (1 + head.words))
            commands.append("EVALSHA")
            commands.append(head.digest)
            commands.append(Int64(range.count))
            for index in range {
                commands.append(head.prefix, names.name(Int(places[index].index)))
            }
            commands.append(life)
            for index in range {
                let isThere = values(places[index], &commands)
                precondition(isThere, "a place lost its value between taking and writing")
            }
            calls.append(Call(kind: kind, range: range))
            start = range.upperBound
        }
    }
}

// MARK: - Values

extension ValkeyCommands {
    fileprivate mutating func append(_ price: Price) {
        append { if price.isDefined { $0.append(decimal: price.raw, decimals: Price.decimals) } }
    }

    fileprivate mutating func append(_ quantity: Quantity) {
        append {
            if quantity.isDefined { $0.append(decimal: quantity.raw, decimals: Quantity.decimals) }
        }
    }

    fileprivate mutating func append(_ text: ShortText) { append { $0.append(text) } }
    fileprivate mutating func append(_ time: Timestamp) { append(time.nanoseconds) }

    fileprivate mutating func append(_ source: SourceName) {
        append {
            $0.append(lettersOf: source.words.first)
            $0.append(lettersOf: source.words.second)
            $0.append(lettersOf: source.words.third)
        }
    }

    fileprivate mutating func append(fieldsOf value: HotValues<Trade>.Value) {
        append(value.record.price)
        append(value.record.size)
        append(value.record.exchange)
        append(value.record.header.eventTime)
        append(value.record.header.receiveTime)
        append(value.origin.source)
    }

    fileprivate mutating func append(fieldsOf value: HotValues<Quote>.Value) {
        append(value.record.bidPrice)
        append(value.record.bidSize)
        append(value.record.askPrice)
        append(value.record.askSize)
        append(value.record.bidExchange)
        append(value.record.askExchange)
        append(value.record.header.eventTime)
        append(value.record.header.receiveTime)
        append(value.origin.source)
    }

    fileprivate mutating func append(fieldsOf value: HotValues<Bar>.Value) {
        append(value.record.open)
        append(value.record.high)
        append(value.record.low)
        append(value.record.close)
        append { $0.append(volume: value.record.volume) }
        append(value.record.vwap)
        append { $0.append(digitsOf: value.record.trades) }
        append(value.record.openTime)
        append(value.record.closeTime)
        append { $0.append(UInt8(ascii: value.record.flags.contains(.partial) ? "1" : "0")) }
        append(value.origin.source)
    }
}

extension [UInt8] {
    /// Appends an order as digits of fixed length, so that the script can compare orders as text.
    /// Only those of bars have the window and the number.
    fileprivate mutating func append(_ order: HotOrder, withWindow: Bool) {
        append(digitsOf: UInt64(clamping: order.streamCreated.nanoseconds), padded: 20)
        if withWindow {
            append(ascending: order.window)
            append(ascending: order.number)
        }
        append(digitsOf: order.sequence, padded: 20)
    }

    /// Appends a signed number. Its sign bit is inverted, so that negative numbers come first as
    /// text.
    private mutating func append(ascending value: Int64) {
        append(digitsOf: UInt64(bitPattern: value) ^ 1 << 63, padded: 20)
    }

    /// Appends the characters. A byte that is not printable ASCII becomes `?`, as in
    /// `ShortText.text`.
    fileprivate mutating func append(_ text: ShortText) {
        var rest = text.raw
        while rest != 0 {
            let byte = UInt8(truncatingIfNeeded: rest)
            append((0x20...0x7e).contains(byte) ? byte : UInt8(ascii: "?"))
            rest >>= 8
        }
    }

    /// Appends the letters of a word of a source's name, the first in the lowest byte.
    fileprivate mutating func append(lettersOf word: UInt64) {
        var rest = word
        while rest != 0 {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    /// Appends a volume, on a faster path if it fits 64 bits.
    fileprivate mutating func append(volume: Int128) {
        guard let small = Int64(exactly: volume) else {
            append(contentsOf: FixedPoint.text(volume, decimals: Quantity.decimals).utf8)
            return
        }
        append(decimal: small, decimals: Quantity.decimals)
    }
}
