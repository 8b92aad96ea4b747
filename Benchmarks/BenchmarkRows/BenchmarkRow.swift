import Glibc
import Primitives

/// A figure that a benchmark has measured, for the record that `make bench` keeps. With the
/// argument `--json` it is printed as one line of JSON, between the lines for people.
package struct BenchmarkRow {
    private static let option = "--json"

    private let name: String
    private let value: Double
    private let unit: String
    private var peer: (name: String, value: Double)?
    private var limit: Limit?

    /// What a figure has to reach, so that the benchmark succeeds.
    private enum Limit {
        case atLeast(Double)
        case atMost(Double)
        /// The same of the figure divided by the peer's.
        case ratioAtLeast(Double)
        case ratioAtMost(Double)

        var name: String {
            switch self {
            case .atLeast: "at_least"
            case .atMost: "at_most"
            case .ratioAtLeast: "ratio_at_least"
            case .ratioAtMost: "ratio_at_most"
            }
        }

        var value: Double {
            switch self {
            case .atLeast(let value), .atMost(let value), .ratioAtLeast(let value),
                .ratioAtMost(let value):
                value
            }
        }
    }

    /// `name` is the same in every run, because rows of several runs are compared by it.
    package init(_ name: String, _ value: Double, _ unit: String) {
        (self.name, self.value, self.unit) = (name, value, unit)
    }

    /// The words of the command line, without the program and without `--json`.
    package static var words: [String] {
        CommandLine.arguments.dropFirst().filter { $0 != option }
    }

    /// Whether rows are wanted.
    package static var areWanted: Bool { CommandLine.arguments.dropFirst().contains(option) }

    /// Returns the row with the figure of another program for the same work.
    package func beside(_ name: String, _ value: Double) -> BenchmarkRow {
        var row = self
        row.peer = (name, value)
        return row
    }

    package func atLeast(_ value: Double?) -> BenchmarkRow { limited(value.map(Limit.atLeast)) }
    package func atMost(_ value: Double?) -> BenchmarkRow { limited(value.map(Limit.atMost)) }
    package func ratio(atLeast value: Double) -> BenchmarkRow { limited(.ratioAtLeast(value)) }
    package func ratio(atMost value: Double) -> BenchmarkRow { limited(.ratioAtMost(value)) }

    private func limited(_ limit: Limit?) -> BenchmarkRow {
        var row = self
        row.limit = limit
        return row
    }

    /// Prints the row, if rows are wanted.
    package func tell() {
        guard Self.areWanted else { return }
        print(json)
        fflush(nil)
    }

    var json: String {
        JSONWriter.made { json in
            json.member("row", name)
            json.member("value", value)
            json.member("unit", unit)
            if let peer {
                json.member("peer", peer.name)
                json.member("peer_value", peer.value)
            }
            if let limit { json.member(limit.name, limit.value) }
        }.text
    }
}
