/// The configuration of a service under test was refused, or its thread threw.
package struct ServiceRefused: Error, CustomStringConvertible {
    package let description: String
}
