/// The versions of nats-server that the tape trusts.
///
/// 2.10.25 stored one packet twice, under the same expected sequence, after the newest message of
/// its subject had been deleted. Before 2.11.15 and 2.12.6 a stream's new leader may answer, and
/// compare expected sequences, before it has applied all of its log: where a stream has copies, two
/// owners can pass.
package struct ServerFloor {
    /// Whether a server may be used, with the reason when it should be replaced.
    package enum Verdict: Equatable {
        case good
        /// It may be used, because no stream has copies.
        case old(String)
        case refused(String)
    }

    /// The first good version for streams with one copy.
    static let single = Version(2, 10, 26)
    /// The first good versions for streams with copies, one per series. Every other series is
    /// compared with the first.
    static let replicated = [Version(2, 11, 15), Version(2, 12, 6)]

    struct Version: Comparable, CustomStringConvertible {
        let numbers: [Int]

        init(_ major: Int, _ minor: Int, _ patch: Int) { numbers = [major, minor, patch] }

        /// Reads "2.11.0-RC.1". Fails when the text is no version.
        init?(_ text: String) {
            let parts = text.split(separator: ".").map { Int($0.prefix { $0.isNumber }) }
            guard parts.count >= 2, let major = parts[0], let minor = parts[1] else { return nil }
            self.init(major, minor, parts.count > 2 ? parts[2] ?? 0 : 0)
        }

        static func < (left: Version, right: Version) -> Bool {
            left.numbers.lexicographicallyPrecedes(right.numbers)
        }

        var description: String { numbers.map(String.init).joined(separator: ".") }
        fileprivate var series: ArraySlice<Int> { numbers.prefix(2) }
    }

    /// `copies` is the number of copies of the stream that has most.
    package static func verdict(version text: String, copies: Int) -> Verdict {
        guard let version = Version(text) else {
            return .refused("the server does not tell its version, \(single) or newer is needed")
        }
        guard version >= single else {
            return .refused("the server is \(text), \(single) or newer is needed")
        }
        let floor = replicated.last { $0.series == version.series } ?? replicated[0]
        guard version < floor else { return .good }
        guard copies > 1 else {
            return .old("the server is \(text): \(floor) or newer is better, and needed for copies")
        }
        return .refused(
            "the server is \(text), and streams have \(copies) copies: \(floor) or newer is needed")
    }
}
