import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TestSupport
import Testing

@testable import TapelineToolTests

/// The disk of the database is gone and the tape is not: what docs/backup.md says of late ticks and
/// of repairs, through a real worker and a real writer to a restored database.
@Suite("Bars that a backup brought back") struct RestoredBarTests {
    private static let restored = "4 100 103 103 4 closed 0 0 0"

    private func tapeline(_ scene: BustedRowsTests.Scene, _ arguments: String...) throws {
        let said = try scene.bench.tapeline(
            arguments + ["--note", "restored", "--yes", "--wait"], graph: scene.graphPath
        ).output
        #expect(said.contains("new version"), "\(said)")
    }

    @Test("a late tick, a repair and a cancelled trade make versions that win over restored ones")
    func wins() throws {
        var scene = try BustedRowsTests.Scene("restored")
        for place in 0..<5 as Range<Int64> { scene.trade(place) }
        try scene.publish(reached: 60)
        try scene.expect("1s", second: 0, Self.restored)
        try scene.expect("1s", second: 1, "1 104 104 104 1 closed 0 0 0")
        try scene.bench.dumpDatabase()
        // What the backup does not have comes again from the tape.
        scene.trade(240)
        try scene.publish(reached: 120)
        try scene.expect("1s", second: 60, "1 340 340 340 1 closed 0 0 0")
        try scene.writer.stop()
        try scene.bench.restoreDatabase()
        try scene.expect("1s", second: 0, Self.restored)
        try scene.expect("1s", second: 60, "")

        // Two minutes late, for a window of which there is only the restored row.
        scene.trade(2, price: 500, id: 99)
        try scene.publish(reached: 121)
        scene.writer = try scene.bench.startWriter()
        try scene.expect("1s", second: 60, "1 340 340 340 1 closed 0 0 0")
        let late = "SELECT concat_ws(' ', of_source, of_ordinal, series) FROM late_ticks"
        #expect(try eventually { try scene.bench.query(late) == "test 7 1s" })
        try scene.expect("1s", second: 0, Self.restored)

        let times = ["--from", "2023-11-14T22:13:20Z", "--to", "2023-11-14T22:13:21Z"]
        try tapeline(scene, "repair", "AAPL", times[0], times[1], times[2], times[3])
        try scene.expect("1s", second: 0, "5 100 500 103 5 repair 1 0 0")
        let partition = scene.bench.tape.names.partition(of: try #require(Symbol("AAPL")))
        try tapeline(scene, "trade", "cancel", "test/\(partition.number)/1")
        try scene.expect("1s", second: 0, "4 101 500 103 4 bust 2 1 0")
        try BustedRowsTests().stopAndAudit(scene)
    }
}
