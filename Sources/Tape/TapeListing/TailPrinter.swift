import MarketModel
import Primitives
import TapeCodec

/// Writes ticks as lines of a table, of JSON or of CSV. Decimals are exact in all of them.
package struct TailPrinter {
    package enum Format: Equatable, Sendable { case table, json, csv }

    private static let symbolWidth = 10
    private static let kindWidth = 7
    /// The column at which a tick's values begin in a table.
    private static let valueColumn = 30 + 1 + symbolWidth + 1 + kindWidth + 1
    private static let placeColumn = valueColumn + 48

    /// The values with CSV columns of their own. All others are JSON in the column `other`.
    private static let csvColumns = [
        "price", "size", "exchange", "conditions", "bid", "bid_size", "bid_exchange", "ask",
        "ask_size", "ask_exchange", "series", "of_source", "close_time", "open", "high", "low",
        "close",
        "volume", "vwap", "trades", "reason", "flags", "receive_time", "time_resolution",
        "provider", "provider_id",
    ]

    private let format: Format

    package init(format: Format) { self.format = format }

    /// Writes the header. JSON has none.
    package func begin(_ output: inout OutputBuffer) {
        guard format == .csv else { return }
        let columns =
            ["time", "time_ns", "symbol", "kind"] + Self.csvColumns
            + ["source", "partition", "ordinal", "epoch", "sequence", "other"]
        output.text(columns.joined(separator: ","))
        output.text("\r\n")
    }

    package func line(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        switch format {
        case .json: json(tick, &output)
        case .csv: csv(tick, &output)
        case .table: table(tick, &output)
        }
        output.flushIfLarge()
    }

    // MARK: JSON

    private func json(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        output.text("{\"kind\":\"")
        output.text(tick.kind.name)
        output.text("\"")
        if !tick.symbol.isEmpty {
            output.text(",\"symbol\":")
            output.jsonString(tick.symbol)
        }
        if tick.time.isDefined { jsonTime("time", tick.time, &output) }
        for field in tick.fields {
            if case .time(let time) = field.value {
                jsonTime(field.name, time, &output)
                continue
            }
            output.text(",\"")
            output.text(field.name)
            output.text("\":")
            jsonValue(field.value, &output)
        }
        if tick.isOnTape { jsonPlace(tick, &output) }
        output.text("}\n")
    }

    private func jsonPlace(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        output.text(",\"source\":\"")
        output.text(tick.sourceText)
        output.text("\",\"partition\":")
        output.integer(Int64(tick.partition.number))
        if let ordinal = tick.ordinal {
            output.text(",\"ordinal\":")
            output.unsigned(ordinal)
        }
        output.text(",\"epoch\":")
        output.unsigned(tick.epoch)
        output.text(",\"sequence\":")
        output.unsigned(tick.sequence)
    }

    private func jsonTime(_ name: String, _ time: Timestamp, _ output: inout OutputBuffer) {
        output.text(",\"")
        output.text(name)
        output.text("\":\"")
        output.time(time)
        output.text("\",\"")
        output.text(name)
        output.text("_ns\":")
        output.integer(time.nanoseconds)
    }

    private func jsonValue(_ value: RecordField.Value, _ output: inout OutputBuffer) {
        switch value {
        case .text(let text): output.jsonString(text)
        case .short(let text):
            output.text("\"")
            output.short(text, escaping: true)
            output.text("\"")
        case .decimal, .wide, .time:
            output.text("\"")
            plain(value, &output)
            output.text("\"")
        case .integer, .unsigned: plain(value, &output)
        case .flags(let names):
            output.text("[\"")
            output.text(names.joined(separator: "\",\""))
            output.text("\"]")
        case .truth: plain(value, &output)
        }
    }

    /// Writes a value without quotes.
    private func plain(_ value: RecordField.Value, _ output: inout OutputBuffer) {
        switch value {
        case .text(let text): output.plain(text)
        case .short(let text): output.short(text, escaping: false)
        case .decimal(let raw, let decimals): output.decimal(raw, decimals: decimals)
        case .wide(let raw, let decimals): output.text(FixedPoint.text(raw, decimals: decimals))
        case .time(let time): output.time(time)
        case .integer(let number): output.integer(number)
        case .unsigned(let number): output.unsigned(number)
        case .flags(let names): output.text(names.joined(separator: " "))
        case .truth(let isSo): output.text(isSo ? "true" : "false")
        }
    }

    // MARK: CSV

    private func csv(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        if tick.time.isDefined { output.time(tick.time) }
        output.text(",")
        if tick.time.isDefined { output.integer(tick.time.nanoseconds) }
        output.text(",")
        output.csvField(tick.symbol)
        output.text(",")
        output.text(tick.kind.name)
        for column in Self.csvColumns {
            output.text(",")
            for field in tick.fields where field.name == column {
                csvValue(field.value, &output)
            }
        }
        output.text(",")
        csvPlace(tick, &output)
        csvRest(tick, &output)
        output.text("\r\n")
    }

    private func csvPlace(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        guard tick.isOnTape else {
            output.text(",,,,,")
            return
        }
        output.text(tick.sourceText)
        output.text(",")
        output.integer(Int64(tick.partition.number))
        output.text(",")
        if let ordinal = tick.ordinal { output.unsigned(ordinal) }
        output.text(",")
        output.unsigned(tick.epoch)
        output.text(",")
        output.unsigned(tick.sequence)
        output.text(",")
    }

    private func csvValue(_ value: RecordField.Value, _ output: inout OutputBuffer) {
        switch value {
        case .text(let text): output.csvField(text)
        case .short(let text): output.csvField(text.text)
        case .flags, .decimal, .wide, .time, .integer, .unsigned, .truth: plain(value, &output)
        }
    }

    private func csvRest(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        guard tick.fields.contains(where: { !Self.csvColumns.contains($0.name) }) else { return }
        var inner = OutputBuffer(descriptor: -1, capacity: 256)
        for field in tick.fields where !Self.csvColumns.contains(field.name) {
            inner.text(inner.bytes.isEmpty ? "{\"" : ",\"")
            inner.text(field.name)
            inner.text("\":")
            jsonValue(field.value, &inner)
        }
        inner.text("}")
        output.csvField(String(decoding: inner.bytes, as: UTF8.self))
    }

    // MARK: a table

    private func table(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        let start = output.bytes.count
        if tick.time.isDefined { output.time(tick.time, separator: 0x20) }
        output.blanks(upTo: 30, from: start)
        output.text(" ")
        output.plain(tick.symbol.isEmpty ? "-" : tick.symbol)
        output.blanks(upTo: 31 + Self.symbolWidth, from: start)
        output.text(" ")
        output.padded(tick.kind.name, to: Self.kindWidth)
        output.text(" ")
        switch tick.kind {
        case .record(.trade): tradeValues(tick, &output)
        case .record(.quote): quoteValues(tick, &output)
        case .record(.bar): barValues(tick, &output)
        case .record, .unknown, .marker, .watermark: allValues(tick, &output)
        }
        output.blanks(upTo: Self.placeColumn, from: start)
        output.text("  ")
        tablePlace(tick, &output)
        output.text("\n")
    }

    private func tablePlace(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        guard tick.isOnTape else {
            output.text("in progress")
            return
        }
        output.text(tick.sourceText)
        output.text("/")
        output.integer(Int64(tick.partition.number))
        if let ordinal = tick.ordinal {
            output.text("/")
            output.unsigned(ordinal)
        }
    }

    private func value(
        _ name: String, of tick: borrowing ListedTick, _ before: String,
        _ output: inout OutputBuffer
    ) {
        for field in tick.fields where field.name == name {
            output.text(before)
            plain(field.value, &output)
        }
    }

    private func tradeValues(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        value("price", of: tick, "", &output)
        value("size", of: tick, " x ", &output)
        value("exchange", of: tick, "  ", &output)
        value("conditions", of: tick, "  ", &output)
        value("action", of: tick, "  ", &output)
        value("flags", of: tick, "  ", &output)
        value("of_source", of: tick, "  of ", &output)
    }

    private func quoteValues(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        value("bid", of: tick, "", &output)
        value("bid_size", of: tick, " x ", &output)
        value("bid_exchange", of: tick, " ", &output)
        output.text(" / ")
        value("ask", of: tick, "", &output)
        value("ask_size", of: tick, " x ", &output)
        value("ask_exchange", of: tick, " ", &output)
        value("flags", of: tick, "  ", &output)
        value("of_source", of: tick, "  of ", &output)
    }

    private func barValues(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        value("series", of: tick, "", &output)
        value("of_source", of: tick, " ", &output)
        value("open", of: tick, "  ", &output)
        value("high", of: tick, " ", &output)
        value("low", of: tick, " ", &output)
        value("close", of: tick, " ", &output)
        value("volume", of: tick, "  v ", &output)
        value("trades", of: tick, "  n ", &output)
        value("flags", of: tick, "  ", &output)
    }

    private func allValues(_ tick: borrowing ListedTick, _ output: inout OutputBuffer) {
        for (index, field) in tick.fields.enumerated()
        where !["receive_time", "time_resolution", "provider"].contains(field.name) {
            output.text(index == 0 ? "" : " ")
            output.text(field.name)
            output.text("=")
            plain(field.value, &output)
        }
    }
}
