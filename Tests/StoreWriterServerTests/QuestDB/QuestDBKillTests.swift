import Testing

@testable import StoreWriter

@Suite(
    "A writer of QuestDB that ends in the middle", .serialized,
    .enabled(if: QuestDBBench.obstacle == nil, "\(QuestDBBench.obstacle ?? "")"))
struct QuestDBKillTests {
    @Test("killed again and again at a point of a batch", arguments: KillPoint.allCases)
    func killed(point: KillPoint) throws {
        let bench = try QuestDBBench("wqdbkill\(point)")
        try bench.prepare()
        try bench.judge(ticks: try bench.kill(at: point))
    }

    @Test("paused with a request on its way, and woken when another one has taken over")
    func paused() throws {
        let bench = try QuestDBBench("wqdbpause")
        try bench.prepare()
        try bench.judge(ticks: try bench.pauseAndWake())
    }

    @Test("a declared batch of which the tape was purged is given up, counted and named")
    func purged() throws {
        let bench = try QuestDBBench("wqdbpurged")
        try bench.prepare()
        try bench.purgeDeclared()
    }
}
