import Primitives
import Synchronization
import TestSupport
import Testing
import ValkeyClient

/// The place of a password.
private final class Place: Sendable {
    private let state = Mutex<(kept: String, place: String?)>(("first", "first"))

    func set(_ text: String?) { state.withLock { $0.place = text } }

    var secret: RenewableSecret {
        RenewableSecret(
            present: { [self] in state.withLock { $0.kept } },
            renew: { [self] refused in
                state.withLock { state in
                    guard state.kept == refused else { return true }
                    guard let new = state.place, new != refused else { return false }
                    state.kept = new
                    return true
                }
            })
    }
}

/// A password that changes while a process runs.
@Suite struct RenewalTests {
    @Test("a refused password is read again, and sessions that are open stay")
    func aclSetUser() throws {
        let server = try ValkeyServer(users: "user reader on >first +@all\n")
        let place = Place()
        var configuration = server.configuration
        configuration.user = "reader"
        configuration.renewable = place.secret
        let old = try ValkeyConnection(configuration)
        try server.cli("ACL", "SETUSER", "reader", "resetpass", ">second")
        for present in ["first", nil] {
            place.set(present)
            let error = valkeyFailure { _ = try ValkeyConnection(configuration) }
            #expect(error?.caseName == "authentication", "\(error as Any)")
        }
        place.set("second")
        let new = try ValkeyConnection(configuration)
        #expect(try new.command(["ACL", "WHOAMI"]).text == "reader")
        #expect(try old.command(["PING"]).text == "PONG")
    }
}
