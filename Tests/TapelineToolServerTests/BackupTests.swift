import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineTool
@testable import TapelineToolTests

/// Checks what docs/backup.md promises for a database restored from a backup. For a restored tape
/// see `AcceptTests`.
@Suite("A database that was put back to an older state, with a tape that went on", .serialized)
struct BackupTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        var isLiving = false
        var timescale = false
        var testDescription: String { name }
    }

    private static let cases = [
        Case(name: "restarted"), Case(name: "living", isLiving: true),
        Case(name: "hypertables", timescale: true),
    ]

    @Test("as far as the tape reaches back, all rows come again by themselves", arguments: cases)
    func reached(item: Case) throws {
        let bench = try AcceptBench("backup_\(item.name)", timescale: item.timescale)
        var zero = try bench.source(0)
        var one = try bench.source(1)
        var writer = try bench.startWriter()
        try AcceptBench.publish(&zero, packets: 10)
        try bench.expectRows(0, "1-50")
        try bench.dumpDatabase()
        try AcceptBench.publish(&zero, packets: 4)
        try AcceptBench.publish(&one, packets: 1)
        try bench.expectRows(0, "1-70")
        try bench.expectRows(1, "1-5")
        if !item.isLiving { try writer.stop() }
        try bench.restoreDatabase()
        if !item.isLiving {
            #expect(try bench.rows(0) == "1-50")
            writer = try bench.startWriter()
        }
        try bench.expectRows(0, "1-70")
        try bench.expectRows(1, "1-5")
        try AcceptBench.publish(&zero, packets: 1)
        try bench.expectRows(0, "1-75")
        #expect(eventually { writer.isReady }, "\(writer.reasons)")
        try writer.stop()
        #expect(try bench.gaps.isEmpty)
        try bench.expectCleanAudit()
        #expect(try bench.tapeline("position", "verify", "--group", "store").code == .success)
    }

    @Test("what the tape no longer holds is named, once a person has accepted it")
    func beyond() throws {
        let bench = try AcceptBench("backup_beyond")
        var zero = try bench.source(0)
        var writer = try bench.startWriter()
        try AcceptBench.publish(&zero, packets: 10)
        try bench.expectRows(0, "1-50")
        try bench.dumpDatabase()
        try AcceptBench.publish(&zero, packets: 4)
        try bench.expectRows(0, "1-70")
        try writer.stop()
        // The keeper has purged what the writer had stored, except the newest packet.
        try bench.api("STREAM.PURGE.\(bench.tape.names.tickStream(0))", #"{"keep": 1}"#)
        try bench.restoreDatabase()
        writer = try bench.startWriter()
        #expect(
            eventually { writer.reasons.contains { $0.contains("was purged") } },
            "\(writer.reasons)")
        #expect(try bench.rows(0) == "1-50")
        let accepted = try bench.tapeline("position", "accept", "--yes", "--json")
        #expect(try accepted.json()["destroyed"]?.int == 15, "\(accepted.output)")
        try bench.expectRows(0, "1-50 66-70")
        #expect(try bench.gaps == "test/0 51-65 tape_lost")
        try AcceptBench.publish(&zero, packets: 1)
        try bench.expectRows(0, "1-50 66-75")
        try writer.stop()
        try bench.expectCleanAudit()
    }
}
