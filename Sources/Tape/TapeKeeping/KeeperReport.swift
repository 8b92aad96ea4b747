internal import MarketModel
internal import Membership
internal import Primitives

/// The keeper's last report about itself.
struct KeeperReport: Sendable {
    struct Stream: Sendable {
        var purged: UInt64 = 0
        var bytes: UInt64 = 0
        var marks = PurgeMarks(bytesMax: 0)
        /// When a purge last finished; undefined until one has.
        var time = Timestamp.undefined
        /// The group or rule that prevents a purge; `nil` when there is none, or when the stream is
        /// small enough.
        var holder: PurgePlan.Holder?
        /// The groups that were let go here and have not continued since, in order.
        var letGo: [GroupName] = []
        var problem: String?
    }

    var isKeeper = false
    var streams: [String: Stream] = [:]
    /// Why positions could not be stored; `nil` when they were.
    var problem: String?

    func write(into json: inout JSONWriter) {
        json.member("keeper", isKeeper)
        json.key("problem")
        if let problem { json.value(problem) } else { json.null() }
        json.member("streams", each: streams.sorted { $0.key < $1.key }) {
            $0.value.write($0.key, into: &$1)
        }
    }
}

extension KeeperReport.Stream {
    fileprivate func write(_ name: String, into json: inout JSONWriter) {
        json.member("stream", name)
        json.member("bytes", bytes)
        json.member("purge_above_bytes", marks.startBytes)
        json.member("purged_messages", purged)
        json.key("purged")
        if time.isDefined { json.value(time.description) } else { json.null() }
        json.key("held_by")
        if let holder { json.value(holder.sentence) } else { json.null() }
        if case .group(let floor)? = holder {
            json.member("held_by_group", floor.group.text)
            json.member("held_by_partition", floor.partition.number)
        }
        json.member("let_go", values: letGo.map(\.text))
        json.key("problem")
        if let problem { json.value(problem) } else { json.null() }
    }
}

extension PurgePlan.Holder {
    /// The holder as a metric's label: a registered group's name, or a word that no group can have
    /// as its name.
    var label: String {
        switch self {
        case .nobodyRegistered: "NOBODY"
        case .age: "AGE"
        case .group(let floor): floor.group.text
        }
    }

    var sentence: String {
        switch self {
        case .nobodyRegistered: return "no registered group reads it"
        case .age: return "everything in it is younger than GATEWAY_KEEP"
        case .group(let floor):
            let why = floor.reason.map { ": \($0)" } ?? ", which has read to \(floor.sequence)"
            return "group \(floor.group), partition \(floor.partition)\(why)"
        }
    }
}
