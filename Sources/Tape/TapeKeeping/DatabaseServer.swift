package import Primitives

/// The server that has the database: the value of the key `<store>.database` in the bucket of
/// groups.
///
/// Writers store the highest timeline that any of them has seen, so that none of them writes to a
/// primary that was replaced and accepts writes all the same.
package struct DatabaseServer: Equatable, Sendable {
    static let version = 1
    /// The longest stored address.
    private static let peerCharactersMax = 300

    /// PostgreSQL's system identifier, which a primary and all its standbys share.
    package var system: UInt64
    /// The number of its history, which each promotion raises.
    package var timeline: UInt32
    /// The address at which it was seen, for people.
    package var peer: String
    /// When it was first seen, by the wall clock.
    package var noted: Timestamp

    package init(system: UInt64, timeline: UInt32, peer: String, noted: Timestamp) {
        self.system = system
        self.timeline = timeline
        self.peer = String(peer.prefix(Self.peerCharactersMax))
        self.noted = noted
    }

    /// What another server is, compared with this one.
    package enum Verdict: Equatable, Sendable {
        /// The same server, or a copy of it with the same history, as far as the number tells: two
        /// copies that are promoted without knowing of each other get the same one.
        case same
        /// It was promoted later.
        case promoted
        /// It was replaced by a promotion.
        case superseded
        /// It was never a copy of this one.
        case foreign
    }

    /// Returns what a server with these numbers is, compared with this one.
    package func verdict(system: UInt64, timeline: UInt32) -> Verdict {
        guard system == self.system else { return .foreign }
        if timeline == self.timeline { return .same }
        return timeline > self.timeline ? .promoted : .superseded
    }

    // MARK: JSON

    package var json: [UInt8] {
        JSONWriter.made(capacity: 160, version: Self.version) { json in
            json.member("system", system)
            json.member("timeline", UInt64(timeline))
            json.member("peer", peer)
            json.member("noted", noted.description)
            json.member("noted_ns", noted.nanoseconds)
        }.bytes
    }

    package init(json bytes: [UInt8]) throws(VersionedJSON.Refusal) {
        let json = try VersionedJSON.read(bytes, upTo: Self.version)
        guard let system = json["system"]?.uint64,
            let timeline = json["timeline"]?.uint64.flatMap({ UInt32(exactly: $0) }),
            let noted = json["noted_ns"]?.int
        else { throw .damaged("it names no server") }
        self.init(
            system: system, timeline: timeline, peer: json["peer"]?.string ?? "",
            noted: Timestamp(nanoseconds: Int64(noted)))
    }
}
