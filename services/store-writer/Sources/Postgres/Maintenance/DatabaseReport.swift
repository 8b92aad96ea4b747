import Primitives
import StoreSinks
import Synchronization

/// The last results of the maintenance. Its thread writes them, and the operations port's thread
/// reads them for the status page.
final class DatabaseReport: Sendable {
    private struct State {
        var profile: DatabaseProfile?
        /// When the coming days were last made or found to exist, by the wall clock; undefined
        /// before.
        var keptAt = Timestamp.undefined
        var sizes: [(table: String, bytes: Int64)] = []
        /// When the sizes were measured, by the wall clock; undefined before.
        var sizedAt = Timestamp.undefined
        /// Why the last turn failed; `nil` when it did not.
        var problem: String?
        /// When the certificate of the server ends, in seconds since 1970; `nil`: it is not known.
        var certificateEnd: Int64?
    }

    private let state = Mutex(State())
    private let retention: RetentionPlan

    init(retention: RetentionPlan) { self.retention = retention }

    /// Stores a profile. If it has changed, returns the promises of durability that were broken
    /// before it, which are none before the first profile. Returns `nil` when it has not changed.
    func found(_ profile: DatabaseProfile) -> [String]? {
        state.withLock { state in
            guard state.profile != profile else { return nil }
            let broken = state.profile?.broken ?? []
            state.profile = profile
            return broken
        }
    }

    /// Notes when the coming days were made.
    func kept(at time: Timestamp) { state.withLock { $0.keptAt = time } }

    /// Stores the sizes of tables.
    func measured(_ sizes: [(table: String, bytes: Int64)], at time: Timestamp) {
        state.withLock { state in
            state.sizes = sizes
            state.sizedAt = time
        }
    }

    /// Stores why a check failed; `nil` when it did not. Until then the problem of the check before
    /// stands.
    func checked(problem: String?) { state.withLock { $0.problem = problem } }

    /// Notes the end of the server's certificate, which stays known while it cannot be reached.
    func connected(certificateEnd: Int64?) {
        state.withLock { $0.certificateEnd = certificateEnd }
    }

    var certificateEnd: Int64? { state.withLock { $0.certificateEnd } }

    func write(into json: inout JSONWriter) {
        let state = state.withLock { $0 }
        json.key("problem")
        if let problem = state.problem { json.value(problem) } else { json.null() }
        json.key("profile")
        if let profile = state.profile {
            json.object { profile.write(into: &$0) }
        } else {
            json.null()
        }
        json.object("retention_days") { json in
            for rule in retention.rules { json.member(rule.table, rule.days) }
        }
        json.object("bytes") { json in
            for (table, bytes) in state.sizes { json.member(table, bytes) }
        }
        for (name, time) in [("bytes_at", state.sizedAt), ("kept_at", state.keptAt)] {
            if time.isDefined {
                json.member(name, time: time)
            } else {
                json.key(name)
                json.null()
            }
        }
    }
}
