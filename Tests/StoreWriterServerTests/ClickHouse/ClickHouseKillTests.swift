import Testing

@testable import StoreWriter

@Suite(
    "A writer of ClickHouse that ends in the middle", .serialized,
    .enabled(if: ClickHouseBench.obstacle == nil, "\(ClickHouseBench.obstacle ?? "")"))
struct ClickHouseKillTests {
    @Test("killed again and again at a point of a batch", arguments: KillPoint.allCases)
    func killed(point: KillPoint) throws {
        let bench = try ClickHouseBench("wchkill\(point)")
        try bench.prepare()
        // Each of two partitions has them.
        try bench.expectSeenFromOutside(rows: 2 * bench.kill(at: point))
    }

    @Test("paused with an insert on its way, and woken when another one has taken over")
    func paused() throws {
        let bench = try ClickHouseBench("wchpause")
        try bench.prepare()
        try bench.expectSeenFromOutside(rows: 2 * bench.pauseAndWake())
    }

    @Test("a declared batch of which the tape was purged is given up, counted and named")
    func purged() throws {
        let bench = try ClickHouseBench("wchpurged")
        try bench.prepare()
        try bench.purgeDeclared()
    }
}
