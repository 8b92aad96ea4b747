import MarketModel
import NatsTransport
import Primitives
import TapeTransport

extension TapeReport {
    var lines: [String] {
        streamLines + copyLines + [""] + partitionLines + [""]
            + (writerAbsence.map { ["writer: unknown: \($0)"] } ?? [])
            + ["durability: \(durability.sentence(replicas: replicas))"]
    }

    private static let streamColumns = FixedColumns(16, -10, -9, -9, -6, -6, 0)
    private static let columns = FixedColumns(-4, 14, -11, -5, -8, -7)
    private static let readerColumns = FixedColumns(-9, -8, -8, 0)

    private var streamLines: [String] {
        let head = Self.streamColumns.line(
            "STREAM", "MESSAGES", "BYTES", "OF", "FREE", "COPIES", "SEQUENCES")
        return [head]
            + streams.map { stream in
                let info = stream.info
                let limit = info.configuration.maxBytes
                let percent = stream.headroomPercent.map { "\(Int($0)) %" } ?? "-"
                return Self.streamColumns.line(
                    info.configuration.name, "\(info.messages)", Self.bytes(info.bytes),
                    limit < 0 ? "no limit" : Self.bytes(UInt64(limit)), percent,
                    "\(stream.copies)",
                    "\(info.firstSequence) to \(info.lastSequence), "
                        + "\(stream.firstTime.age(at: now)) to \(stream.lastTime.age(at: now)) old")
            }
    }

    /// Where the copies are, if there are several.
    private var copyLines: [String] {
        let lines = streams.compactMap { stream -> String? in
            guard let copies = stream.info.copies, !copies.followers.isEmpty else { return nil }
            let followers = copies.followers.map { follower in
                let lack = follower.isOffline ? "away" : "\(follower.lag) behind"
                return follower.isCurrent && !follower.isOffline
                    ? follower.server : "\(follower.server) (\(lack))"
            }
            return "\(stream.info.configuration.name.padded(to: 16)) "
                + "\(copies.leader ?? "no server") leads, copies on "
                + followers.joined(separator: " and ")
        }
        return lines.isEmpty ? [] : [""] + lines
    }

    private var partitionLines: [String] {
        let head = Self.columns.line(
            "PART", "SOURCE", "LAST", "EPOCH", "TICKS/S", "WM AGE")
        let readers = Self.readerColumns.line("BARS", "WRITER", "OPERATOR", "CHECKPOINT")
        return ["\(head) \(readers)"] + rows.flatMap { lines(of: $0) }
            + (universe.map { [line(ofAll: $0)] } ?? [])
    }

    /// Formats the share over all partitions, whose values are counted with the bars.
    private func line(ofAll head: Head) -> String {
        let own = Self.columns.line(
            " all", head.source.text, "-", "\(head.epoch)", "-", head.watermark.age(at: now))
        return "\(own) \(Self.readerColumns.line("\(head.lastOrdinal)"))"
    }

    private func lines(of row: Row) -> [String] {
        guard !row.heads.isEmpty else { return [line(row, nil, isFirst: true)] }
        return row.heads.enumerated().map { line(row, $1, isFirst: $0 == 0) }
    }

    private func line(_ row: Row, _ head: Head?, isFirst: Bool) -> String {
        func cell(_ number: UInt64?) -> String { number.map { "\($0)" } ?? "-" }
        let rate = head?.ticksPerSecond.map { "\(Int($0.rounded()))" }
        let own = Self.columns.line(
            isFirst ? "\(row.partition)" : "", head?.source.text ?? "-", cell(head?.lastOrdinal),
            cell(head?.epoch), rate ?? "-", head?.watermark.age(at: now) ?? "-")
        guard isFirst else { return own }
        let readers = Self.readerColumns.line(
            cell(row.bars?.lastOrdinal), cell(row.writerLag), cell(row.operatorLag),
            row.checkpoint.age(at: now))
        return "\(own) \(readers)"
    }

    /// Formats a size: "512 B", "1.5 MiB".
    static func bytes(_ count: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1_000, unit < units.count - 1 {
            value /= 1_024
            unit += 1
        }
        let shown = unit == 0 || value >= 100 ? "\(Int(value))" : "\((value * 10).rounded() / 10)"
        return "\(shown) \(units[unit])"
    }

    // MARK: JSON

    func json() -> String {
        JSONWriter.made { writer in
            writer.member("streams", each: streams, write)
            writer.member("partitions", each: rows, write)
            if let universe { writer.object("universe") { write(universe, &$0) } }
            writer.member("durability", durability.name)
            writer.member("acknowledged_means", durability.sentence(replicas: replicas))
            if case .onDiskWithin(let nanoseconds) = durability {
                writer.member("sync_interval_ns", nanoseconds)
            }
            if case .unknown(let reason) = durability {
                writer.member("durability_reason", reason)
            }
            if let writerAbsence { writer.member("writer_unknown", writerAbsence) }
        }.text
    }

    private func write(_ stream: Stream, _ writer: inout JSONWriter) {
        let info = stream.info
        writer.member("name", info.configuration.name)
        writer.member("subjects", values: info.configuration.subjects)
        writer.member("messages", info.messages)
        writer.member("bytes", info.bytes)
        writer.member("max_bytes", info.configuration.maxBytes)
        if let free = stream.headroomBytes { writer.member("headroom_bytes", free) }
        if let percent = stream.headroomPercent { writer.member("headroom_percent", percent) }
        writer.member("first_sequence", info.firstSequence)
        writer.member("last_sequence", info.lastSequence)
        Self.write("first_time", stream.firstTime, &writer)
        Self.write("last_time", stream.lastTime, &writer)
        writer.member("replicas", stream.copies)
        writer.member("created", info.created.description)
    }

    private static func write(_ name: String, _ time: Timestamp, _ writer: inout JSONWriter) {
        if time.isDefined { writer.member(name, time.description) }
    }

    private func write(_ row: Row, _ writer: inout JSONWriter) {
        writer.member("partition", row.partition.number)
        writer.member("sources", each: row.heads, write)
        if let bars = row.bars { writer.object("bars") { write(bars, &$0) } }
        if let lag = row.writerLag { writer.member("writer_lag_ticks", lag) }
        if let lag = row.writerBarLag { writer.member("writer_lag_bars", lag) }
        if let lag = row.operatorLag { writer.member("operator_lag_ticks", lag) }
        if row.checkpoint.isDefined {
            writer.member(
                "checkpoint_age_seconds",
                Double(now.nanoseconds(since: row.checkpoint)) / 1e9)
        }
    }

    private func write(_ head: Head, _ writer: inout JSONWriter) {
        writer.member("source", head.source.text)
        writer.member("last_ordinal", head.lastOrdinal)
        writer.member("epoch", head.epoch)
        writer.member("sequence", head.sequence)
        if let rate = head.ticksPerSecond { writer.member("ticks_per_second", rate) }
        Self.write("watermark", head.watermark, &writer)
        if head.watermark.isDefined {
            writer.member(
                "watermark_age_seconds",
                Double(now.nanoseconds(since: head.watermark)) / 1e9)
        }
    }
}
