package import Primitives
package import ServiceRuntime
package import TapeProtocol

/// The key that only the cockpit and the process have that carries actions out.
///
/// nats-server checks what a client publishes, but not where it lets the server deliver a message.
/// So the subject of requests says little about who made one, and the proof says it.
package struct ActionKey: Sendable {
    /// As long as a password that `tapeline up` makes, at least.
    package static let bytesMin = 32

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
    private let secret: String
    /// The same, where it may have a successor.
    private var renewable: RenewableSecret?

    /// `nil`: the secret is too short, so that somebody may guess it.
    package init?(_ secret: String, renewable: RenewableSecret? = nil) {
        guard secret.utf8.count >= Self.bytesMin else { return nil }
        (self.secret, self.renewable) = (secret, renewable)
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
    /// secret of a file is read again first, so that a new one counts from here on.
    package func seal(_ request: ActionRequest, for subject: String) -> [UInt8] {
        let json = request.json
        if let renewable { _ = renewable.renew(refused: renewable.value) }
        return proof(of: json, subject, by: renewable?.value ?? secret) + json
    }

    /// Returns the request that came on this subject. What is not proven is looked at once more,
    /// by what the file of the secret has then.
    package func open(
        _ bytes: [UInt8], of subject: String
    ) throws(Refusal) -> ActionRequest {
        guard bytes.count <= Self.proofBytes + ActionRequest.bytesMax else { throw .large }
        let json = Array(bytes.dropFirst(Self.proofBytes))
        let proof = Array(bytes.prefix(Self.proofBytes))
        let known = renewable?.value ?? secret
        if !WebDigest.isEqual(proof, self.proof(of: json, subject, by: known)) {
            guard let renewable, renewable.renew(refused: known),
                WebDigest.isEqual(proof, self.proof(of: json, subject, by: renewable.value))
            else { throw .unproven }
        }
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
