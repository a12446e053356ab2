(component
  (core module $m (func (export "f") (result i32) i32.const 7) (memory (export "memory") 1))
  (core instance $i (instantiate $m))
  (func $f (result u32) (canon lift (core func $i "f")))
  (component $c (import "describe" (func $d (result u32))) (export "describe" (func $d)))
  (instance $p (instantiate $c (with "describe" (func $f))))
  (export "postern:provider/provider@0.1.0" (instance $p)))
