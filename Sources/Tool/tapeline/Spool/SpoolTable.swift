import MarketModel
import Primitives
import TickSpool

/// Prints spools, as text for a person and as JSON for a program.
struct SpoolTable {
    let folder: String
    let spools: [SpoolSurvey]

    static func read(_ folder: String) throws(ToolError) -> SpoolTable {
        do throws(SpoolError) {
            return SpoolTable(folder: folder, spools: try SpoolSurvey.all(in: folder))
        } catch {
            throw .spool(error)
        }
    }

    // MARK: text

    var lines: [String] {
        guard !spools.isEmpty else { return ["nothing is spooled in \(folder)"] }
        return spools.enumerated().flatMap { index, spool in
            (index == 0 ? [] : [""]) + Self.lines(spool)
        }
    }

    private static func lines(_ spool: SpoolSurvey) -> [String] {
        let state =
            spool.isAside
            ? "set aside at \(spool.time.short)" + (spool.isReplayed ? ", replayed" : "")
            : "of the gateway of this source"
        var lines = ["\(spool.name)  \(state)"]
        if !spool.reason.isEmpty { lines.append("  why: \(spool.reason)") }
        lines.append(
            "  \(counted(spool.ticks, "tick")) in \(counted(spool.frames, "frame")), "
                + TapeReport.bytes(UInt64(spool.bytes)))
        if spool.oldestEventTime.isDefined {
            lines.append(
                "  of \(spool.oldestEventTime.short) to \(spool.watermark.short)")
        }
        if !spool.shares.isEmpty {
            lines.append("  partitions \(partitions(spool.shares)), epochs \(epochs(spool))")
        }
        if spool.damagedFrames > 0 {
            lines.append("  \(counted(spool.damagedFrames, "frame")) cannot be read")
        }
        if spool.tornBytes > 0 {
            lines.append(
                "  the last \(counted(UInt64(spool.tornBytes), "byte")) are no whole frame")
        }
        return lines
    }

    private static func counted(_ count: UInt64, _ what: String) -> String {
        "\(count) \(what)\(count == 1 ? "" : "s")"
    }

    /// Returns the partitions as ranges: "0-3,7".
    private static func partitions(_ shares: [SpoolSurvey.Share]) -> String {
        NumberRanges.text(shares.map(\.partition.number))
    }

    private static func epochs(_ spool: SpoolSurvey) -> String {
        let all = spool.shares.flatMap(\.epochs)
        guard let first = all.min(), let last = all.max() else { return "none" }
        return first == last ? "\(first)" : "\(first) to \(last)"
    }

    // MARK: JSON

    func json() -> String {
        JSONWriter.made { writer in
            writer.member("folder", folder)
            writer.member("spools", each: spools, Self.write)
        }.text
    }

    private static func write(_ spool: SpoolSurvey, _ writer: inout JSONWriter) {
        writer.member("name", spool.name)
        writer.member("source", spool.source?.text ?? "")
        writer.member("aside", spool.isAside)
        if spool.isAside {
            writer.member("reason", spool.reason)
            write("set_aside", spool.time, &writer)
            writer.member("replayed", spool.isReplayed)
        }
        writer.member("ticks", spool.ticks)
        writer.member("frames", spool.frames)
        writer.member("bytes", spool.bytes)
        writer.member("damaged_frames", spool.damagedFrames)
        writer.member("torn_bytes", spool.tornBytes)
        write("oldest", spool.oldestEventTime, &writer)
        write("watermark", spool.watermark, &writer)
        writer.member("partitions", each: spool.shares, write)
    }

    private static func write(_ share: SpoolSurvey.Share, _ writer: inout JSONWriter) {
        writer.member("partition", share.partition.number)
        writer.member("ticks", share.ticks)
        writer.member("frames", share.frames)
        writer.member("epochs", values: share.epochs)
        writer.member("holder_epochs", values: share.holderEpochs)
        if let ordinals = share.ordinals {
            writer.member("first_ordinal", ordinals.lowerBound)
            writer.member("last_ordinal", ordinals.upperBound)
        }
        write("oldest", share.oldestEventTime, &writer)
        write("watermark", share.watermark, &writer)
    }

    private static func write(_ name: String, _ time: Timestamp, _ writer: inout JSONWriter) {
        if time.isDefined { writer.member(name, time.description) }
    }
}

/// Formats many small numbers as ranges on one line: "0-3,7".
enum NumberRanges {
    static func text(_ numbers: some Sequence<Int>) -> String {
        var parts: [ClosedRange<Int>] = []
        for number in numbers.sorted() {
            if let last = parts.last, number <= last.upperBound + 1 {
                parts[parts.count - 1] = last.lowerBound...max(last.upperBound, number)
            } else {
                parts.append(number...number)
            }
        }
        return parts.map { part in
            part.count == 1
                ? "\(part.lowerBound)"
                : "\(part.lowerBound)\(part.count == 2 ? "," : "-")\(part.upperBound)"
        }.joined(separator: ",")
    }

    /// Formats the shares of a group. The share after the last partition works over all partitions.
    static func shares(_ numbers: some Sequence<Int>, universe: Partition?) -> String {
        guard let universe, numbers.contains(universe.number) else { return text(numbers) }
        let others = text(numbers.filter { $0 != universe.number })
        return others.isEmpty ? "all" : "\(others),all"
    }
}

extension Timestamp {
    /// The time to the second: "2026-01-05T14:30:05Z".
    var short: String { isDefined ? "\(description.prefix(19))Z" : "-" }
}
