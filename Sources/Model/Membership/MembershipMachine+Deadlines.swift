package import Primitives

// When something is due.
extension MembershipMachine {
    /// When the next action is due by the clock. It is later than the last event: what was due then
    /// was done, or waits for something else.
    package var nextDeadline: MonotonicTime {
        guard hearing.links > 0, !hasLeft else { return .never }
        let spaced = heartbeats.lastAt + heartbeats.spacing(in: spacing)
        // Once the spacing has passed, everything that had to be reported was sent.
        var next =
            clock < spaced && hasToSend ? spaced : heartbeats.lastAt + heartbeats.interval
        func consider(_ time: MonotonicTime) { if time > clock { next = min(next, time) } }
        if hearing.isHearing {
            consider(hearing.ends)
            if peers.silenceEnds != .never { consider(max(peers.silenceEnds, spaced)) }
        }
        if standing.phase == .joining { consider(joins) }
        if sharing.waits { consider(sharing.notBefore) }
        if !reads.isReading { consider(reads.due) }
        if clock < slots.writesWaitUntil {
            for index in slots.indices where slots[index].pending == nil {
                consider(slots[index].notBefore)
            }
        }
        return max(next, clock + 1)
    }

    /// The shortest time between two heartbeats, and between two reads, in a group of this size:
    /// each is a message to each other member, or has the bucket's leader look for records.
    var spacing: Int64 {
        max(Self.spacingNanoseconds, Int64(peers.all.count) * Self.spacingPerMember)
    }

    /// When the others had half a lease to be heard.
    var joins: MonotonicTime { hearing.linkedAt + hearing.lease / 2 }

    /// Whether a heartbeat is due before its interval is over.
    var hasToSend: Bool {
        heartbeats.wasAsked || isSilenceOver || heartbeats.isOutdated(state, reads, slots)
    }

    /// True when a heartbeat that is sent now would prove another member's silence when it comes
    /// back. One that was sent before the end of the silence proves nothing.
    private var isSilenceOver: Bool { hearing.isHearing && clock >= peers.silenceEnds }
}
