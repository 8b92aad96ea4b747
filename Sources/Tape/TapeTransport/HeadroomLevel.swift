/// The room that is left before the tape refuses what is published: low, or ample. The two marks
/// differ, so that the level does not flicker at one mark. Pure.
package struct HeadroomLevel: Sendable {
    package enum Level: String, Sendable {
        /// Publishing is not at risk.
        case ample
        /// Publishing would soon be refused, so the policies of backpressure must apply.
        case low
    }

    /// What has a limit.
    package enum Place: Hashable, Sendable, CustomStringConvertible {
        /// The room up to the stream's `max_bytes`.
        case stream(String)
        /// The room up to the server's limit for all of its stores.
        case disk

        package var description: String {
            switch self {
            case .stream(let name): name
            case .disk: "disk"
            }
        }
    }

    /// How much room a place has.
    package struct Room: Hashable, Sendable {
        package var place: Place
        package var freeBytes: UInt64
        package var limitBytes: UInt64

        package init(place: Place, freeBytes: UInt64, limitBytes: UInt64) {
            self.place = place
            self.freeBytes = freeBytes
            self.limitBytes = limitBytes
        }

        /// The free room in percent, rounded down; 0 for a place without any room.
        package var percent: UInt64 {
            guard limitBytes > 0 else { return 0 }
            let (product, overflow) = freeBytes.multipliedReportingOverflow(by: 100)
            return overflow ? freeBytes / (limitBytes / 100 + 1) : product / limitBytes
        }
    }

    /// The change of one place.
    package struct Change: Hashable, Sendable {
        package let room: Room
        package let level: Level
    }

    /// Below this percentage a place is low.
    package static let lowPercent: UInt64 = 10
    /// From this percentage on, a place that was low is ample again.
    package static let amplePercent: UInt64 = 20
    /// A disk is also low below this size. A stream is not, because the keeper lets a small stream
    /// fall below it.
    package static let diskFreeBytesMin: UInt64 = 64 << 20

    /// The level of each place at the last update.
    private var levels: [Place: Level] = [:]

    package init() {}

    /// The worst level of all places.
    package var level: Level { levels.values.contains(.low) ? .low : .ample }

    /// Returns the level of the disk and these streams. A stream that was never observed is treated
    /// as ample.
    package func level(ofStreams streams: [String]) -> Level {
        let places = streams.map { Place.stream($0) } + [.disk]
        return places.contains { levels[$0] == .low } ? .low : .ample
    }

    package func level(of place: Place) -> Level { levels[place] ?? .ample }

    /// Notes all existing streams, and the disk if it is known. Returns the places that have
    /// changed, in order of their names.
    package mutating func update(streams: [Room], disk: Room?) -> [Change] {
        var present = levels.filter { $0.key == .disk }
        var changes: [Change] = []
        for room in streams + (disk.map { [$0] } ?? []) {
            let before = levels[room.place] ?? .ample
            let level = Self.next(before, room)
            present[room.place] = level
            if level != before { changes.append(Change(room: room, level: level)) }
        }
        levels = present
        return changes.sorted { $0.room.place.description < $1.room.place.description }
    }

    /// Returns the level of a place that had the level `before`.
    private static func next(_ before: Level, _ room: Room) -> Level {
        let isScarce = room.place == .disk && room.freeBytes < diskFreeBytesMin
        switch before {
        case .ample: return room.percent < lowPercent || isScarce ? .low : .ample
        case .low: return room.percent >= amplePercent && !isScarce ? .ample : .low
        }
    }
}
