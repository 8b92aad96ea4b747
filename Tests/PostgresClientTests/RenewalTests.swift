import Foundation
import PostgresClient
import Primitives
import ServiceRuntime
import Synchronization
import TestSupport
import Testing

/// The place of a password, and how often it was looked at.
private final class Place: Sendable {
    private let state = Mutex<(text: String?, reads: Int)>(("first", 0))

    func set(_ text: String?) { state.withLock { $0.text = text } }

    var reads: Int { state.withLock { $0.reads } }

    var secret: RenewableSecret {
        RenewableSecret("first") { [self] in
            state.withLock { state in
                state.reads += 1
                return state.text
            }
        }
    }
}

/// A password that changes while a process runs.
@Suite struct RenewalTests {
    @Test("a refused password is read again, and sessions that are open stay")
    func alterRole() throws {
        let database = try TestDatabase("renewal")
        let role = "renewed_\(UUID().uuidString.prefix(8).lowercased())"
        try database.psql("CREATE ROLE \(role) LOGIN PASSWORD 'first'")
        let place = Place()
        var configuration = database.configuration
        configuration.user = role
        configuration.password = "not used"
        configuration.renewable = place.secret
        let old = try PostgresConnection(configuration, timeout: patience)
        try database.psql("ALTER ROLE \(role) PASSWORD 'second'")
        for present in ["first", nil] {
            place.set(present)
            let error = #expect(throws: PostgresError.self) {
                try PostgresConnection(configuration, timeout: patience)
            }
            #expect(error?.category == .authentication)
        }
        place.set("second")
        let new = try PostgresConnection(configuration, timeout: patience)
        #expect(try new.execute("SELECT current_user").scalar == role)
        #expect(try old.execute("SELECT current_user").scalar == role)
        let before = place.reads
        _ = try PostgresConnection(configuration, timeout: patience)
        #expect(place.reads == before, "a password that is taken is not read again")
    }
}
