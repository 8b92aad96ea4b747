import TestSupport
import Testing

/// Waits until a value is as expected.
func expectSoon<Value: Equatable>(
    _ value: @autoclosure () throws -> Value, _ expected: Value,
    _ comment: @autoclosure () -> Comment? = nil, _ location: SourceLocation = #_sourceLocation
) rethrows {
    var found = try value()
    _ = try eventually {
        found = try value()
        return found == expected
    }
    #expect(found == expected, comment(), sourceLocation: location)
}
