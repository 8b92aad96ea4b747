package import Primitives
package import ServiceRuntime
internal import Synchronization
package import TapeProtocol

/// The key that only the cockpit and the process have that carries actions out.
///
/// nats-server checks what a client publishes, but not where it lets the server deliver a message.
/// So the subject of requests says little about who made one, and the proof says it.
///
/// A new secret reaches the two at different times, on Kubernetes up to two minutes apart. So the
/// cockpit uses the one of before for some time, and the other side takes both for longer.
package struct ActionKey: Sendable {
    /// As long as a password that `tapeline up` makes, at least.
    package static let bytesMin = 32
    /// How long the cockpit uses the secret of before, after it has seen another one.
    package static let formerUsed = Duration.seconds(180)
    /// How long the secret of before proves a request, after the last look at which it was the
    /// present one.
    package static let formerTaken = Duration.seconds(360)

    /// Why bytes are no request of the cockpit.
    package enum Refusal: Error, Equatable, CustomStringConvertible {
        case large
        case unproven
        case unreadable(String)

        package var description: String {
            switch self {
            case .large: "it has more than \(ActionRequest.bytesMax) bytes"
            case .unproven:
                "its proof is wrong: the cockpit and the process that carries actions out have "
                    + "to have the same COCKPIT_ACTIONS_KEY"
            case .unreadable(let problem): "it cannot be read: \(problem)"
            }
        }
    }

    private static let proofBytes = WebDigest.hexBytes
    private let secrets: Secrets

    /// `nil`: the secret is too short, so that somebody may guess it.
    package init?(
        _ secret: String, renewable: RenewableSecret? = nil,
        clock: @escaping @Sendable () -> MonotonicTime = { SystemClock().monotonic() }
    ) {
        guard secret.utf8.count >= Self.bytesMin else { return nil }
        secrets = Secrets(secret, renewable, clock)
    }

    /// Reads the key. Throws if it is missing.
    package init(_ configuration: Configuration) throws(SettingsError) {
        let name = "COCKPIT_ACTIONS_KEY"
        guard let secret = configuration.secret(name)?.revealed, !secret.isEmpty else {
            throw SettingsError(
                "\(name) or \(name)_FILE has to be set: requests for actions are proven by it, so "
                    + "the cockpit and 'tapeline actions serve' have the same")
        }
        let renewable = configuration.renewable(name) { $0.utf8.count >= Self.bytesMin }
        guard let made = Self(secret, renewable: renewable) else {
            throw SettingsError("\(name): it has fewer than \(Self.bytesMin) characters")
        }
        self = made
    }

    /// Returns the request as it is sent on this subject: its proof, and the JSON behind it. A
    /// secret of a file is read again first.
    package func seal(_ request: ActionRequest, for subject: String) -> [UInt8] {
        let json = request.json
        let known = secrets.look()
        let isFormer = known.now.duration(since: known.changed) < Self.formerUsed
        let secret = isFormer ? known.former ?? known.present : known.present
        return proof(of: json, subject, by: secret) + json
    }

    /// Returns the request that came on this subject. A secret of a file is read again first.
    package func open(
        _ bytes: [UInt8], of subject: String
    ) throws(Refusal) -> ActionRequest {
        guard bytes.count <= Self.proofBytes + ActionRequest.bytesMax else { throw .large }
        let json = Array(bytes.dropFirst(Self.proofBytes))
        let proof = Array(bytes.prefix(Self.proofBytes))
        let known = secrets.look()
        let isFormer = known.now.duration(since: known.unchanged) < Self.formerTaken
        let isProven = [known.present, isFormer ? known.former : nil].contains { secret in
            secret.map { WebDigest.isEqual(proof, self.proof(of: json, subject, by: $0)) } == true
        }
        guard isProven else { throw .unproven }
        do throws(VersionedJSON.Refusal) {
            return try ActionRequest(json: json)
        } catch {
            throw .unreadable("\(error)")
        }
    }

    /// The subject is part of it: a request of one namespace is none of another.
    private func proof(of json: [UInt8], _ subject: String, by secret: String) -> [UInt8] {
        WebDigest.hmac(Array("\(subject)\n".utf8) + json, key: Array(secret.utf8))
    }
}

/// The secrets of a key, by what its file has.
private final class Secrets: Sendable {
    struct Known {
        var present: String
        var former: String?
        /// The last look at which the former one was present, and the first at which it was not.
        var unchanged = MonotonicTime.distantPast
        var changed = MonotonicTime.distantPast
        /// The time of the last look.
        var now: MonotonicTime
    }

    private let first: String
    /// The same, where it may have a successor.
    private let renewable: RenewableSecret?
    private let clock: @Sendable () -> MonotonicTime
    private let state: Mutex<Known>

    init(
        _ secret: String, _ renewable: RenewableSecret?,
        _ clock: @escaping @Sendable () -> MonotonicTime
    ) {
        (first, self.renewable, self.clock) = (secret, renewable, clock)
        state = Mutex(Known(present: secret, now: clock()))
    }

    /// Reads the secret again.
    func look() -> Known {
        if let renewable { _ = renewable.renew(refused: renewable.value) }
        let (value, now) = (renewable?.value ?? first, clock())
        return state.withLock { state in
            if state.present != value {
                state = Known(
                    present: value, former: state.present, unchanged: state.now, changed: now,
                    now: now)
            }
            state.now = now
            return state
        }
    }
}
