import Testing

@testable import TapelineTool

@Suite("tapeline gaps: the lines of an outage") struct GapLinesTests {
    private func row(
        _ symbol: String, _ kind: String, _ times: ClosedRange<Int>, partition: Int,
        _ reason: String = "gateway_lost", lasts: Bool = false
    ) -> [String?] {
        [
            symbol, kind, "t\(times.lowerBound)", lasts ? GapLines.lasts : "t\(times.upperBound)",
            "\(times.count - 1).0", "open", reason, "s", "\(partition)", "\(times.lowerBound)",
            "\(times.upperBound)",
        ]
    }

    @Test("partitions and kinds of one outage are one line with their count")
    func outage() {
        let rows = (0..<4).flatMap { partition in
            ["trade", "quote", "other"].map {
                row(GapLines.all, $0, (10 + partition)...(30 + partition), partition: partition)
            }
        }
        #expect(
            GapLines.merged(rows) == [
                [
                    "(all of 4 partitions)", "any", "t10", "t33", "23.0", "open", "gateway_lost",
                    "s",
                ]
            ])
    }

    @Test("what is not of one outage has a line of its own")
    func others() {
        let rows = [
            row(GapLines.all, "trade", 10...20, partition: 0),
            row("AAPL", "trade", 11...20, partition: 0),
            row("AAPL", "trade", 12...20, partition: 0),
            row(GapLines.all, "trade", 13...20, partition: 1, "disconnected"),
            row(GapLines.all, "trade", 14...20, partition: 1, lasts: true),
            row(GapLines.all, "trade", 21...30, partition: 1),
        ]
        #expect(GapLines.merged(rows) == rows.map { $0.prefix(8).map { $0 ?? "" } })
        let kinds = [
            row(GapLines.all, "trade", 1...5, partition: 2),
            row(GapLines.all, "quote", 5...9, partition: 2),
        ]
        #expect(
            GapLines.merged(kinds).map { $0[0...4].joined(separator: " ") } == [
                "(all) quote, trade t1 t9 8.0"
            ])
        #expect(
            GapLines.merged([[nil, nil, nil, nil, nil, nil, nil, nil, nil, nil, nil]]) == [
                Array(repeating: "-", count: 8)
            ])
    }
}
