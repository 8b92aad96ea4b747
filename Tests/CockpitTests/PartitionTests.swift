import Primitives
import TestSupport
import Testing

@testable import Cockpit

@Suite("The partitions") struct PartitionTests {
    private static func page(
        _ seconds: Double, _ group: String = "operator", owner: String = "worker", epoch: Int = 3
    ) throws -> Sighting.Service {
        var service = MadeSighting.service(seconds, name: "operator-worker", isReady: true)
        service.read(
            try JSONValue.parse(
                """
                {"service":"operator-worker","ready":true,
                "lag":{"operator":{"lag":120000,"lag_seconds":2.5,"drain_seconds":null},
                "store":null},
                "membership":{"group":"\(group)","owners":[
                {"partition":0,"owner":"\(owner)","epoch":\(epoch),"since":"2026-11-27T00:42:22Z",
                "state":"held"},
                {"partition":1,"owner":"old","epoch":1,"since":"2026-11-27T00:42:22Z",
                "state":"free"}]},
                "operator":{"partitions":[
                {"partition":0,"scope":"partition","previous_owner":"before",
                "checkpoint":{"age_seconds":8.5}},
                {"partition":0,"scope":"all","previous_owner":"nobody",
                "checkpoint":{"age_seconds":1}}]}}
                """))
        return service
    }

    @Test("a partition has its owner, epoch, checkpoint, lag and from whom it was taken")
    func row() throws {
        var sighting = MadeSighting.well(10)
        sighting.services.value = [try Self.page(10)]
        sighting.shares.lags = [
            "operator": [0: .init(records: 7, seconds: 1.5, reportedAt: MadeSighting.time(9.8))]
        ]
        var board = PartitionBoard()
        let look = board.make(sighting)
        #expect(look.groups.map(\.name) == ["operator", "source-ib", "store"])
        #expect(look.groups.map(\.partitions) == [2, 1, 2])
        let row = try #require(look.groups[0].rows.first)
        #expect(row.owners == ["worker"] && row.heardAt == MadeSighting.time(9.9))
        #expect(row.record == .init(owner: "worker", epoch: 3, since: "2026-11-27T00:42:22Z"))
        #expect(row.recordAt == MadeSighting.time(9.5))
        #expect(row.previous == "before")
        #expect(row.checkpointAt == MadeSighting.time(1))
        #expect(row.lag?.records == 7)
        #expect(look.groups[0].rows[1].record?.owner == "")
        #expect(look.groups[0].rows[1].checkpointAt == nil)
    }

    @Test("nobody owns what only a silent process held, and two owners are both named")
    func owners() {
        var sighting = MadeSighting.well(10)
        sighting.members = [
            MadeSighting.member("operator", "a", held: [0], at: 5),
            MadeSighting.member("operator", "b", held: [1], at: 9.9),
            MadeSighting.member("operator", "c", held: [1, 9], at: 9.9),
        ]
        var board = PartitionBoard()
        let rows = board.make(sighting).groups[0].rows
        #expect(rows.map(\.owners) == [[], ["b", "c"]])
    }

    @Test("a take-over that was seen says from whom, for groups whose pages do not")
    func takeOver() throws {
        var board = PartitionBoard()
        func look(_ seconds: Double, _ owner: String, _ epoch: Int) throws -> String? {
            var sighting = MadeSighting.well(seconds)
            sighting.services.value = [
                try Self.page(seconds, "store", owner: owner, epoch: epoch)
            ]
            sighting.services.value?[0].ownership?.previous = [:]
            return board.make(sighting).groups[2].rows[0].previous
        }
        #expect(try look(10, "one", 3) == nil)
        #expect(try look(11, "two", 4) == "one")
        #expect(try look(12, "two", 4) == "one")
        #expect(try look(13, "one", 5) == "two")
    }

    @Test("a page that was not asked lately says nothing, and of two the higher epoch counts")
    func age() throws {
        var board = PartitionBoard()
        var sighting = MadeSighting.well(10)
        sighting.services.value = [
            try Self.page(10, owner: "new", epoch: 8), try Self.page(10, owner: "old", epoch: 7),
        ]
        #expect(board.make(sighting).groups[0].rows[0].record?.owner == "new")
        sighting.services.value = [try Self.page(7)]
        let group = board.make(sighting).groups[0]
        #expect(group.rows[0].record == nil && group.scaler == nil)
    }

    @Test("a partition with more than twice the ticks of the one in the middle is hot")
    func hot() {
        func shares(_ rates: [UInt64]) -> [PartitionBoard.Share] {
            var board = PartitionBoard()
            var look = PartitionBoard.Look()
            for second in 1...4 {
                var sighting = MadeSighting.well(Double(second))
                for (partition, rate) in rates.enumerated() {
                    sighting.shares.ticks[partition] = .init(
                        ordinals: rate * UInt64(second),
                        reportedAt: MadeSighting.time(Double(second)))
                }
                look = board.make(sighting)
            }
            return look.shares
        }
        #expect(shares([10, 10, 21, 0]).map(\.isHot) == [false, false, true, false])
        #expect(shares([10, 10, 20]).map(\.isHot) == [false, false, false])
        #expect(shares([10, 30]).map(\.part) == [0.25, 0.75])
        // One partition has all ticks of the tape, with nothing to compare it with.
        #expect(shares([10]).map(\.isHot) == [false])
        #expect(shares([0, 0]).isEmpty)
    }

    @Test("a scaler asks for a process for each share of the lag, and at most one per partition")
    func scaler() throws {
        func asked(_ records: UInt64) -> UInt64 {
            ScalerLag(records: records, seconds: nil, drainSeconds: nil).asked(partitions: 32)
        }
        #expect([0, 1, 50_000, 50_001].map(asked) == [1, 1, 1, 2])
        #expect(asked(.max) == 32)
        var sighting = MadeSighting.well(10)
        sighting.services.value = [try Self.page(10)]
        var board = PartitionBoard()
        let groups = board.make(sighting).groups
        #expect(groups[0].scaler == .init(records: 120_000, seconds: 2.5, drainSeconds: nil))
        // A lag that is null is not known, and never 0.
        #expect(groups[2].scaler == nil)
    }

    @Test("the document has a time at every part")
    func document() throws {
        var sighting = MadeSighting.well(10)
        sighting.services.value = [try Self.page(10)]
        sighting.shares.lags = [
            "operator": [0: .init(records: 7, seconds: nil, reportedAt: MadeSighting.time(9.8))]
        ]
        var board = PartitionBoard()
        let json = try JSONValue.parse(
            PartitionsDocument(look: board.make(sighting), now: sighting.now).json)
        #expect(json["at"]?.double == 1_010)
        let group = try #require(json["groups"]?.array?.first)
        #expect(group.at("scaler", "asks")?.int == 2 && group.at("scaler", "at")?.double == 1_009.5)
        let row = try #require(group["rows"]?.array?.first)
        #expect(row["at"]?.double == 1_009.9 && row["limit"]?.double == 1.5)
        #expect(row.at("record", "at")?.double == 1_009.5)
        #expect(row.at("checkpoint", "stored")?.double == 1_001)
        #expect(row.at("lag", "records")?.int == 7 && row.at("lag", "seconds") == nil)
        #expect(row.at("lag", "at")?.double == 1_009.8)
    }

    @Test("a document is made while its page asks for it, and for no longer")
    func wanted() {
        let documents = PageDocuments()
        #expect(!documents.isWanted(.partitions, at: MadeSighting.time(0)))
        #expect(documents.answer("/nothing.json", at: MadeSighting.time(0)) == nil)
        #expect(
            documents.answer("/partitions.json", at: MadeSighting.time(0)) == Array("{}".utf8))
        documents.put(.partitions, Array("{\"at\":1}".utf8))
        #expect(documents.isWanted(.partitions, at: MadeSighting.time(4.9)))
        #expect(!documents.isWanted(.partitions, at: MadeSighting.time(5)))
        let answer = documents.answer("/partitions.json", at: MadeSighting.time(9))
        #expect(answer == Array("{\"at\":1}".utf8))
    }
}
