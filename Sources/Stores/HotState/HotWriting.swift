internal import MarketModel
package import Primitives
package import ValkeyClient

/// Ages of values, in nanoseconds.
package struct HotAges: Sendable {
    /// How long a key lives, counted from its value's receipt.
    var life: Int64
    /// From when on readers take a value as stale.
    var stale: Int64

    package init(life: Int64, stale: Int64) {
        self.life = life
        self.stale = stale
    }
}

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
    private let providerBar: KeyHead
    private let indicator: KeyHead
    private let book: KeyHead
    private let lane: KeyHead
    /// The key of the sources of all symbols.
    private let sources: [UInt8]
    /// The key of the process's marker, without which no lane is written.
    private let marker: [UInt8]

    /// The beginning of all keys of a kind, and the script that writes them.
    private struct KeyHead {
        let kind: HotKind
        let prefix: [UInt8]
        /// The server's name of the script.
        let digest: [UInt8]
        /// The number of words that a key has in a call.
        let words: Int

        init(_ kind: HotKind, _ name: String, _ namespace: String, _ digests: [HotKind: [UInt8]]) {
            self.kind = kind
            prefix = Array("\(namespace):\(name):".utf8)
            digest = digests[kind] ?? []
            words = HotScripts.wordsPerKey(kind)
        }
    }

    package init(namespace: String, digests: [HotKind: [UInt8]], marker: [UInt8] = []) {
        self.marker = marker
        trade = KeyHead(.trade, "trade", namespace, digests)
        quote = KeyHead(.quote, "quote", namespace, digests)
        bar = KeyHead(.bar, "bar", namespace, digests)
        providerBar = KeyHead(.providerBar, "providerbar", namespace, digests)
        indicator = KeyHead(.indicator, "indicator", namespace, digests)
        book = KeyHead(.book, "book", namespace, digests)
        lane = KeyHead(.lane, "lane", namespace, digests)
        sources = Array("\(namespace):sources".utf8)
    }

    /// Replaces the commands by the calls for a batch.
    package mutating func write(
        _ batch: HotBatch, of table: HotTable, now: MonotonicTime, _ ages: HotAges
    ) {
        commands.removeAll()
        calls.removeAll(keepingCapacity: true)
        let moment = Moment(now: now, ages: ages)
        write(trade, batch.trades, table.pairs, table.trades, moment) { $1.append(fieldsOf: $0) }
        write(quote, batch.quotes, table.pairs, table.quotes, moment) { $1.append(fieldsOf: $0) }
        write(bar, batch.bars, table.barNames, table.bars, moment) { $1.append(fieldsOf: $0) }
        write(providerBar, batch.providerBars, table.barNames, table.providerBars, moment) {
            $1.append(fieldsOf: $0)
        }
        write(indicator, batch.indicators, table.barNames, table.indicators, moment) {
            $1.append(fieldsOf: $0)
        }
        write(book, batch.books, table.books.names, table.books.values, moment) {
            $1.append(fieldsOf: $0, table.books.book($0.record.index))
        }
        write(lane, batch.lanes, table.lanes.names, table.lanes.values, moment) {
            $1.append(fieldsOf: $0)
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

    /// When a batch is written.
    private struct Moment {
        let now: MonotonicTime
        let ages: HotAges

        /// Returns the rest of a key's life, rounded up to at least a millisecond; the server would
        /// refuse 0.
        func left(of origin: HotOrigin) -> Int64 {
            max(1, (ages.life - (now - origin.receivedAt) + 999_999) / 1_000_000)
        }
    }

    /// Writes a command for each `keysMax` places. Nothing is received between taking a batch and
    /// writing it, so every place is still valid.
    private mutating func write<Record>(
        _ head: KeyHead, _ places: [HotNames.Place], _ names: HotNames,
        _ values: HotValues<Record>, _ moment: Moment,
        _ fields: (HotValues<Record>.Value, inout ValkeyCommands) -> Void
    ) {
        let (isBar, hasSources) = (head.kind.isOfWindows, head.kind != .lane)
        var start = 0
        while start < places.count {
            let range = start..<min(places.count, start + HotScripts.keysMax)
            let renewed = range.count { hasSources && values.sendsLife(places[$0]) }
            commands.begin(words: 7 + range.count * (1 + head.words) + renewed)
            commands.append("EVALSHA")
            commands.append(head.digest)
            commands.append(Int64(range.count + 1))
            for index in range {
                commands.append(head.prefix, names.name(Int(places[index].index)))
            }
            commands.append(hasSources ? sources : marker)
            commands.append(moment.ages.life / 1_000_000)
            commands.append(Int64(range.count))
            commands.append(moment.ages.stale / 1_000_000)
            for index in range {
                guard let value = values.value(places[index]) else {
                    preconditionFailure("a place lost its value between taking and writing")
                }
                commands.append { $0.append(value.origin.order, withWindow: isBar) }
                if value.sendsLife {
                    let left = moment.left(of: value.origin)
                    commands.append(value.origin.isFilled ? -left : left)
                } else {
                    commands.append([])
                }
                fields(value, &commands)
            }
            for index in range where hasSources && values.sendsLife(places[index]) {
                let name = names.name(Int(places[index].index))
                commands.append {
                    $0.append(contentsOf: HotTable.symbol(in: name, ofBar: isBar))
                }
            }
            calls.append(Call(kind: head.kind, range: range))
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

    /// Where the record is on the tape. Lane and ordinal are empty when they are not known.
    fileprivate mutating func append(identity origin: HotOrigin) {
        append(Int64(origin.partition))
        append { if origin.ordinal > 0 { $0.append(digitsOf: origin.ordinal) } }
        append { if origin.ordinal > 0 { $0.append(origin.lane) } }
    }

    /// A source may be delayed as a whole, by its name, or by the flags of its records.
    fileprivate mutating func append(whetherDelayed source: SourceName, _ flags: TickFlags = []) {
        let isDelayed = source.isDelayed || flags.contains(.delayed)
        append { $0.append(UInt8(ascii: isDelayed ? "1" : "0")) }
    }

    fileprivate mutating func append(_ text: ShortText) { append { $0.append(text) } }
    fileprivate mutating func append(_ time: Timestamp) { append(time.nanoseconds) }

    fileprivate mutating func append(_ source: SourceName) { append { $0.append(source) } }

    fileprivate mutating func append(fieldsOf value: HotValues<Trade>.Value) {
        append(value.record.price)
        append(value.record.size)
        append(value.record.exchange)
        append(value.record.header.eventTime)
        append(value.record.header.receiveTime)
        append(identity: value.origin)
        append(whetherDelayed: value.origin.source, value.record.header.flags)
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
        append(identity: value.origin)
        append(whetherDelayed: value.origin.source, value.record.header.flags)
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
        append(identity: value.origin)
        append(whetherDelayed: value.origin.source)
        append(value.origin.source)
    }
}

extension ValkeyCommands {
    fileprivate mutating func append(fieldsOf value: HotValues<ProviderBar>.Value) {
        let bar = value.record
        append(bar.open)
        append(bar.high)
        append(bar.low)
        append(bar.close)
        append { if bar.volume != ProviderBar.undefinedVolume { $0.append(volume: bar.volume) } }
        append(bar.vwap)
        append {
            if bar.trades != ProviderBar.undefinedCount {
                $0.append(decimal: bar.trades, decimals: 0)
            }
        }
        append(bar.openTime)
        append(bar.closeTime)
        append(bar.header.receiveTime)
        append { $0.append(UInt8(ascii: bar.flags.contains(.inProgress) ? "1" : "0")) }
        append(identity: value.origin)
        append(whetherDelayed: value.origin.source, bar.header.flags)
        append(value.origin.source)
    }
}

extension ValkeyCommands {
    fileprivate mutating func append(fieldsOf value: HotValues<IndicatorValue>.Value) {
        let record = value.record
        append {
            guard record.value != IndicatorValue.undefined else { return }
            $0.append(
                contentsOf: FixedPoint.text(record.value, decimals: Price.decimals).utf8)
        }
        append(Array(record.unit.utf8))
        for time in [record.periodStart, record.periodEnd] {
            append { if time.isDefined { $0.append(digitsOf: time.nanoseconds) } }
        }
        append(Int64(clamping: record.revision))
        append(record.header.eventTime)
        append(record.header.receiveTime)
        append(identity: value.origin)
        append(whetherDelayed: value.origin.source, record.header.flags)
        append(value.origin.source)
    }
}

extension [UInt8] {
    /// Appends an order as digits of fixed length, so that the script can compare orders as text.
    /// Only those of bars, also of a provider's, have the window and the number.
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

    mutating func append(_ source: SourceName) {
        append(lettersOf: source.words.first)
        append(lettersOf: source.words.second)
        append(lettersOf: source.words.third)
    }

    private mutating func append(lettersOf word: UInt64) {
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
