internal import Primitives

/// Rows of one table of QuestDB, each a line of its protocol.
package struct LineBlock: StoreBlock {
    package let tableName: String
    /// The body of its request.
    package let body: [UInt8]
    /// Where each line ends.
    private let ends: [Int]

    init(tableName: String, body: [UInt8], ends: [Int]) {
        self.tableName = tableName
        self.body = body
        self.ends = ends
    }

    /// The server takes rows of all partitions of a table together.
    package var part: Int { 0 }
    package var rowCount: Int { ends.count }

    package func digest(after previous: UInt64) -> UInt64 {
        let named = Checksum.chained(Checksum.of(tableName), after: previous)
        return body.withRawSpan { Checksum.chained($0, after: named) }
    }

    package func rows(_ isWanted: [Bool]) -> LineBlock {
        var (body, ends): ([UInt8], [Int]) = ([], [])
        var start = 0
        for (end, isIn) in zip(self.ends, isWanted) {
            if isIn {
                body.append(contentsOf: self.body[start..<end])
                ends.append(body.count)
            }
            start = end
        }
        return LineBlock(tableName: tableName, body: body, ends: ends)
    }
}
