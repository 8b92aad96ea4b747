import ArrowColumns
import MarketModel
import Primitives
import TapeCodec

/// A row as texts by column; a column without a value is not in it.
typealias Row = [String: String]

extension ColumnBatch {
    /// Reads the batch as Arrow says that it is laid out.
    var readRows: [Row] {
        var found = [Row](repeating: [:], count: rows)
        for (index, column) in shape.columns.enumerated() {
            let validity = unsafe validity(of: index)
            var nulls = 0
            for row in 0..<rows {
                let isThere =
                    unsafe validity.map {
                        unsafe $0.load(fromByteOffset: row / 8, as: UInt8.self) >> (row % 8) & 1
                            == 1
                    } ?? true
                nulls += isThere ? 0 : 1
                if isThere { found[row][column.name] = text(index, column, row) }
            }
            precondition(nulls == nullCount(of: index), "\(column.name) counts its nulls")
        }
        return found
    }

    private func text(_ index: Int, _ column: ColumnLayout, _ row: Int) -> String {
        let values = unsafe values(of: index)
        switch column.form {
        case .float: return unsafe "\(values.load(fromByteOffset: row * 8, as: Double.self))"
        case .time, .fixed, .int64:
            return unsafe "\(values.load(fromByteOffset: row * 8, as: Int64.self))"
        case .uint64: return unsafe "\(values.load(fromByteOffset: row * 8, as: UInt64.self))"
        case .uint32, .number:
            return unsafe "\(values.load(fromByteOffset: row * 4, as: UInt32.self))"
        case .uint16: return unsafe "\(values.load(fromByteOffset: row * 2, as: UInt16.self))"
        case .uint8: return unsafe "\(values.load(fromByteOffset: row, as: UInt8.self))"
        case .decimal: return unsafe "\(values.load(fromByteOffset: row * 16, as: Int128.self))"
        case .text:
            let number = unsafe values.load(fromByteOffset: row * 4, as: Int32.self)
            return texts(of: index)?.texts[Int(number)] ?? "no texts"
        case .bytes:
            let (start, end) = unsafe (
                Int(values.load(fromByteOffset: row * 4, as: Int32.self)),
                Int(values.load(fromByteOffset: row * 4 + 4, as: Int32.self))
            )
            guard let bytes = unsafe textBytes else { return "no bytes" }
            return unsafe String(
                decoding: UnsafeRawBufferPointer(start: bytes + start, count: end - start),
                as: UTF8.self)
        }
    }
}

extension TextPage {
    var texts: [String] {
        guard let offsets = unsafe buffers.offsets, let bytes = unsafe buffers.bytes else {
            return []
        }
        return (0..<count).map { index in
            let (start, end) = unsafe (
                Int(offsets.load(fromByteOffset: index * 4, as: Int32.self)),
                Int(offsets.load(fromByteOffset: index * 4 + 4, as: Int32.self))
            )
            return unsafe String(
                decoding: UnsafeRawBufferPointer(start: bytes + start, count: end - start),
                as: UTF8.self)
        }
    }
}

/// The rows that a packet must become, read record by record.
struct ExpectedRows {
    private(set) var rows: [ColumnKind: [Row]] = [:]

    mutating func take(_ packet: [UInt8], knownAt: Timestamp = .undefined) throws {
        try packet.withRawSpan { bytes in
            let header = try PacketReader.validate(bytes)
            var walk = PacketWalk(header)
            while let item = walk.next(in: bytes) {
                let record: TapeRecord? =
                    switch item {
                    case .trade(let trade): .trade(trade)
                    case .quote(let quote): .quote(quote)
                    case .bar(let bar): .bar(bar)
                    case .other(let message): TapeRecord(message, in: bytes)
                    case .control: nil
                    }
                guard let record, let (kind, values, symbol) = Self.row(record) else { continue }
                var row = values
                let names = walk.symbol(symbol, in: bytes)
                row["symbol"] = names?.symbol.text
                row["provider"] = kind == .bars || names?.provider == "" ? nil : names?.provider
                row["source"] = kind == .bars ? names?.source?.text : header.source.text
                if kind == .indicators { row["of_source"] = names?.source?.text }
                if case .bar(let bar) = record {
                    let series = walk.series(bar.series, in: bytes)
                    row["series"] = series?.name.text
                    row["lateness_ns"] = series?.latenessNanoseconds.map { "\($0)" }
                }
                row["sent_at"] = "\(header.sendTime.nanoseconds)"
                row["known_at"] = knownAt.isDefined ? "\(knownAt.nanoseconds)" : nil
                row["partition"] = "\(header.partition)"
                row["epoch"] = "\(header.epoch)"
                row["ordinal"] = "\(walk.ordinal)"
                rows[kind, default: []].append(row)
            }
        }
    }

    private static func row(_ record: TapeRecord) -> (ColumnKind, Row, UInt32)? {
        switch record {
        case .trade(let tick): (.trades, values(tick), tick.header.symbol)
        case .quote(let tick): (.quotes, values(tick), tick.header.symbol)
        case .depth(let tick): (.depth, values(tick), tick.header.symbol)
        case .depthReset(let tick): (.depth, values(tick), tick.header.symbol)
        case .gap(let gap): (.gaps, values(gap), gap.header.symbol)
        case .bar(let bar): (.bars, values(bar), bar.symbol)
        case .indicator(let value): (.indicators, values(value), value.header.symbol)
        case .providerBar(let bar): (.providerBars, values(bar), bar.header.symbol)
        case .news, .bulletin, .fundamental, .subscription, .repair, .tradeChange, .action,
            .option, .lateTick:
            nil
        }
    }

    private static func defined(_ value: Int64) -> String? { value == .max ? nil : "\(value)" }

    private static func values(_ header: TickHeader) -> Row {
        var row: Row = [
            "flags": "\(header.flags.rawValue)", "time_resolution": "\(header.resolution)",
        ]
        row["event_time"] = defined(header.eventTime.nanoseconds)
        row["receive_time"] = defined(header.receiveTime.nanoseconds)
        row["provider_id"] = header.providerID == 0 ? nil : "\(header.providerID)"
        return row
    }

    private static func values(_ trade: Trade) -> Row {
        var row = values(trade.header)
        row["price"] = defined(trade.price.raw)
        row["size"] = defined(trade.size.raw)
        row["exchange"] = trade.exchange.text
        row["conditions"] = trade.conditions.text
        let (action, names) = (trade.header.action, ["new", "correction", "cancel"])
        row["action"] = action < 3 ? names[Int(action)] : "\(action)"
        return row
    }

    private static func values(_ quote: Quote) -> Row {
        var row = values(quote.header)
        row["bid_price"] = defined(quote.bidPrice.raw)
        row["bid_size"] = defined(quote.bidSize.raw)
        row["ask_price"] = defined(quote.askPrice.raw)
        row["ask_size"] = defined(quote.askSize.raw)
        row["bid_exchange"] = quote.bidExchange.text
        row["ask_exchange"] = quote.askExchange.text
        return row
    }

    private static func values(_ update: DepthUpdate) -> Row {
        var row = values(update.header)
        row["operation"] =
            update.operation < 3
            ? ["insert", "update", "delete"][Int(update.operation)] : "\(update.operation)"
        row["side"] = update.side < 2 ? ["ask", "bid"][Int(update.side)] : "\(update.side)"
        row["position"] = "\(update.position)"
        row["price"] = defined(update.price.raw)
        row["size"] = defined(update.size.raw)
        row["market_maker"] = update.marketMaker.text
        row["book_flags"] = "\(update.flags.rawValue)"
        return row
    }

    private static func values(_ reset: DepthReset) -> Row {
        var row = values(reset.header)
        row["operation"] = "reset"
        row["market_maker"] = ""
        row["book_flags"] = "0"
        let reasons = ["unknown", "reset", "halted", "disconnected", "repeated"]
        row["reason"] = reasons[Int(reset.reason)]
        return row
    }

    private static func values(_ gap: GapRecord) -> Row {
        var row = values(gap.header)
        row["kind"] = "provider_bar"
        row["reason"] =
            [
                "unknown", "disconnected", "gateway_lost", "provider_loss", "dropped", "tape_lost",
                "maintenance", "scale",
            ][Int(gap.reason)]
        row["state"] = ["open", "filling", "filled", "abandoned"][Int(gap.state)]
        row["from_time"] = defined(gap.from.nanoseconds)
        row["to_time"] = defined(gap.to.nanoseconds)
        row["lost_first_ordinal"] = gap.firstOrdinal == 0 ? nil : "\(gap.firstOrdinal)"
        row["lost_last_ordinal"] = gap.lastOrdinal == 0 ? nil : "\(gap.lastOrdinal)"
        row["detail"] = gap.detail
        return row
    }

    private static func values(_ value: IndicatorValue) -> Row {
        var row = values(value.header)
        row["name"] = value.name
        row["value"] = value.value == .max ? nil : "\(value.value)"
        row["unit"] = value.unit
        row["period_start"] = defined(value.periodStart.nanoseconds)
        row["period_end"] = defined(value.periodEnd.nanoseconds)
        row["revision"] = "\(value.revision)"
        return row
    }

    private static func values(_ bar: ProviderBar) -> Row {
        var row = values(bar.header)
        row["event_time"] = defined(bar.closeTime.nanoseconds)
        let data = [
            "unknown", "trades", "midpoint", "bid", "ask", "bid_ask", "historical_volatility",
            "implied_volatility",
        ]
        row["made_of"] = bar.kind < 8 ? data[Int(bar.kind)] : "\(bar.kind)"
        row["open_time"] = defined(bar.openTime.nanoseconds)
        row["volume"] = bar.volume == .max ? nil : "\(bar.volume)"
        row["trades"] = defined(bar.trades)
        row["bar_flags"] = "\(bar.flags.rawValue)"
        let prices = [bar.open, bar.high, bar.low, bar.close, bar.vwap]
        for (name, price) in zip(["open", "high", "low", "close", "vwap"], prices) {
            row[name] = defined(price.raw)
        }
        return row
    }

    private static func values(_ bar: Bar) -> Row {
        var row: Row = [
            "number": "\(bar.number)", "trades": "\(bar.trades)", "notional": "\(bar.notional)",
            "excluded_condition": "\(bar.excluded.condition)",
            "excluded_odd_lot": "\(bar.excluded.oddLot)",
            "excluded_filter": "\(bar.excluded.filter)",
            "excluded_undefined": "\(bar.excluded.undefined)", "flags": "\(bar.flags.rawValue)",
            "generation": "\(bar.generation)",
        ]
        let reasons = ["closed", "late", "bust", "gap", "backfill", "repair"]
        row["reason"] = bar.reason < 6 ? reasons[Int(bar.reason)] : "\(bar.reason)"
        row["open_time"] = defined(bar.openTime.nanoseconds)
        row["close_time"] = defined(bar.closeTime.nanoseconds)
        row["volume"] = bar.volume == .max ? nil : "\(bar.volume)"
        let prices = [bar.open, bar.high, bar.low, bar.close, bar.vwap]
        for (name, price) in zip(["open", "high", "low", "close", "vwap"], prices) {
            row[name] = defined(price.raw)
        }
        return row
    }
}
