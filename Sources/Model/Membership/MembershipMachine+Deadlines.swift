package import Primitives

// When something is due.
extension MembershipMachine {
    /// When the next action is due by the clock. It is later than the last event: what was due then
    /// was done, or waits for something else.
    package var nextDeadline: MonotonicTime {
        guard links > 0, !hasLeft else { return .never }
        // Once the spacing has passed, everything that had to be reported was sent.
        var next =
            lastHeartbeatAt + (clock < lastHeartbeatAt + spacing && hasToSend ? spacing : interval)
        func consider(_ time: MonotonicTime) { if time > clock { next = min(next, time) } }
        if isHearing {
            consider(echoSent + lease)
            if upkeep.silenceEnds != .never {
                consider(max(upkeep.silenceEnds, lastHeartbeatAt + spacing))
            }
        }
        if phase == .joining { consider(linkedAt + lease / 2) }
        if upkeep.waitsToAssign { consider(upkeep.assignNotBefore) }
        if !isReading { consider(readDue) }
        if clock < upkeep.writesWaitUntil {
            for index in slots.indices where slots[index].pending == nil {
                consider(slots[index].notBefore)
            }
        }
        return max(next, clock + 1)
    }

    /// Whether a heartbeat is due before its interval is over.
    var hasToSend: Bool { wasAsked || isSilenceOver || isHeartbeatChanged }

    /// When the next read is due.
    var readDue: MonotonicTime {
        readScope == .nothing
            ? max(readNotBefore, readAt + Self.readIntervalNanoseconds) : readNotBefore
    }

    /// The longest and the shortest time between two heartbeats.
    var interval: Int64 { lease / Self.heartbeatsPerLease }
    var spacing: Int64 { min(Self.spacingNanoseconds, interval) }
}
