import MarketModel
import TapeProtocol
import Testing

@Suite struct TapeNamesTests {
    private let source: SourceName

    init() throws { source = try #require(SourceName("synthetic")) }

    private func names(_ namespace: String = "md", _ partitions: Int = 32) throws -> TapeNames {
        try #require(TapeNames(namespace: namespace, partitions: partitions))
    }

    @Test("subjects and streams are those that others rely on")
    func table() throws {
        let names = try names()
        #expect(names.ticks(Partition(7), source) == "md.ticks.7.synthetic")
        #expect(names.ticks(Partition(7)) == "md.ticks.7.*")
        #expect(names.bars(Partition(31)) == "md.bars.31")
        #expect(names.watermarks(stream: 3, source) == "md.wm.3.synthetic")
        #expect(names.watermarks(stream: 3) == "md.wm.3.*")
        #expect((0..<4).map(names.tickStream) == (0..<4).map { "MD_TICKS_\($0)" })
        #expect(names.tickStream(of: Partition(30)) == "MD_TICKS_2")
        #expect(names.positions(group: "store") == "md.pos.store")
        #expect(names.positions == "md.pos.*" && names.positionsQuestion == "md.ask.positions")
        #expect(names.heads(source) == "md.head.synthetic" && names.heads == "md.head.*")
        #expect(names.groupBucket == "md_groups")
        #expect(names.barStream == "MD_BARS" && names.sourceBucket == "md_sources")
        #expect(
            names.tickStreamSubjects(1) == [
                "md.ticks.1.*", "md.ticks.5.*", "md.ticks.9.*", "md.ticks.13.*", "md.ticks.17.*",
                "md.ticks.21.*", "md.ticks.25.*", "md.ticks.29.*", "md.wm.1.*",
            ])
        #expect(names.barStreamSubjects.first == "md.bars.0")
        #expect(names.barStreamSubjects.last == "md.all.universe")
        #expect(names.barStreamSubjects.count == 33)
        #expect(
            names.record == [
                "tapeline.namespace": "md", "tapeline.partitions": "32",
                "tapeline.tick_streams": "4",
            ])
    }

    @Test("a symbol's partition is the one of its hash")
    func partition() throws {
        let symbol = try #require(Symbol("AAPL"))
        // murmur3_x86_32("AAPL", 0) = 3750833799.
        #expect(try names().partition(of: symbol) == Partition(7))
        #expect(try names("md", 1).partition(of: symbol) == Partition(0))
    }

    @Test(
        "every partition is in exactly one stream, also when there are fewer than streams",
        arguments: [1, 2, 3, 4, 5, 16, 31, 32, 33, 256])
    func spread(partitions: Int) throws {
        let names = try names("a_1", partitions)
        let all = (0..<TapeNames.tickStreams).flatMap(names.tickStreamSubjects)
        #expect(Set(all).count == all.count)
        #expect(all.count == partitions + TapeNames.tickStreams)
        for number in 0..<partitions {
            let partition = Partition(number)
            let own = names.streamIndex(of: partition)
            for stream in 0..<TapeNames.tickStreams {
                let isThere = names.tickStreamSubjects(stream).contains(names.ticks(partition))
                #expect(isThere == (stream == own))
            }
            #expect(names.tickStream(of: partition) == "A_1_TICKS_\(own)")
        }
        #expect(Set(names.barStreamSubjects).count == partitions + 1)
    }

    @Test(
        "a namespace that subjects, streams and schemas cannot hold is refused",
        arguments: [
            "", "1md", "_md", "MD", "Md", "md-1", "md.1", "md ", "md*", "md>", "é", "a\u{0}",
            "abcdefghijklmnopq",
        ])
    func invalid(namespace: String) {
        #expect(TapeNames(namespace: namespace, partitions: 32) == nil)
    }

    @Test("the longest and the shortest namespace", arguments: ["a", "abcdefghijklmnop", "a_0_"])
    func valid(namespace: String) {
        #expect(TapeNames(namespace: namespace, partitions: 32) != nil)
    }

    @Test("partitions outside of their range are refused")
    func partitionRange() {
        let range = Partition.countRange
        #expect(TapeNames(namespace: "md", partitions: range.lowerBound) != nil)
        #expect(TapeNames(namespace: "md", partitions: range.upperBound) != nil)
        #expect(TapeNames(namespace: "md", partitions: range.lowerBound - 1) == nil)
        #expect(TapeNames(namespace: "md", partitions: range.upperBound + 1) == nil)
        #expect(TapeNames(namespace: "md", partitions: -1) == nil)
    }
}
